using Orleans.Serialization.Invocation;

namespace Actors.Hosting;

/// <summary>
/// The answers to one message. Those that are there when <see cref="Take"/> is called are returned; later ones are sent to the client,
/// as many at a time as there are.
/// </summary>
internal sealed class PendingAnswers(CallMessage message, ICallObserver late)
{
    private readonly Response?[] _answers = new Response?[message.Requests.Length];
    private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Interlocked.
    private int _forwarded;

    // Guards the fields below and the array until it is taken; held for a few accesses.
    private readonly Lock _gate = new();
    private int _missing = message.Requests.Length;
    private bool _isTaken;
    private List<LateAnswer>? _late;
    private List<int>? _returned;

    /// <summary>Completes when no answer is missing.</summary>
    public Task All => _all.Task;

    /// <summary>Adds an answer. Any thread may call it.</summary>
    public void Add(int index, Response answer)
    {
        lock (_gate)
        {
            if (!_isTaken)
            {
                _answers[index] = answer;
                if (--_missing == 0) _all.TrySetResult();
                return;
            }

            var isFirst = _late is null;
            (_late ??= []).Add(new(message.Number, index, answer));
            if (!isFirst) return;
        }

        // Answers that complete together are sent together.
        ThreadPool.UnsafeQueueUserWorkItem(static pending => pending.SendLate(), this, preferLocal: true);
    }

    /// <summary>Returns a call to the client. To be called before <see cref="Take"/>.</summary>
    public void Return(int index)
    {
        lock (_gate)
        {
            (_returned ??= []).Add(index);
            if (--_missing == 0) _all.TrySetResult();
        }
    }

    /// <summary>Counts a call that went on to another silo. Those of late answers are not reported.</summary>
    public void CountForwarded() => Interlocked.Increment(ref _forwarded);

    /// <summary>The answers there are. To be called once.</summary>
    /// <param name="homes">What the client should know of the silos.</param>
    public CallAnswers Take(HomeSilos homes)
    {
        lock (_gate) _isTaken = true;
        return new(_answers, Volatile.Read(ref _forwarded), message.Homes == homes.Version ? null : homes, _returned?.ToArray());
    }

    private void SendLate()
    {
        LateAnswer[] answers;
        lock (_gate)
        {
            answers = [.. _late!];
            _late = null;
        }

        // Not acknowledged. If it is lost, the client asks again or reports that the outcome is unknown.
        try
        {
            late.AnswerAsync(answers).Ignore();
        }
        catch (Exception)
        {
            // The silo is stopping.
        }
    }
}
