using System.Collections.Concurrent;

namespace Actors.Calls;

/// <summary>Receives the answers of calls that took longer than others in their message.</summary>
internal sealed class LateAnswers : ICallObserver
{
    // The messages whose calls are not all settled. Any thread adds, finds and removes; bounded by the calls in flight.
    private readonly ConcurrentDictionary<long, CoalescedCall[]> _sent = new();

    // Interlocked.
    private long _number;

    /// <summary>How silos address this. Orleans holds its object weakly, so this must outlive it.</summary>
    public ICallObserver Reference { get; }

    /// <summary>Creates the receiver.</summary>
    /// <param name="refer">Makes the reference.</param>
    public LateAnswers(Func<ICallObserver, ICallObserver> refer) => Reference = refer(this);

    /// <summary>Numbers a message that is about to be sent.</summary>
    public long Expect(CoalescedCall[] calls)
    {
        var number = Interlocked.Increment(ref _number);
        _sent[number] = calls;
        return number;
    }

    /// <summary>Ends what <see cref="Expect"/> began.</summary>
    public void Forget(long number) => _sent.TryRemove(number, out _);

    public Task AnswerAsync(LateAnswer[] answers)
    {
        foreach (var answer in answers)
        {
            if (_sent.TryGetValue(answer.Message, out var calls)) calls[answer.Index].Answer(answer.Answer);
        }

        return Task.CompletedTask;
    }
}
