using System.Diagnostics;
using Orleans.Runtime.Messaging;
using Orleans.Serialization.Invocation;

namespace Actors.Calls;

/// <summary>
/// The messages to one silo. A call goes at once while fewer than <see cref="MaxMessages"/> messages await their answers. Otherwise it
/// waits until one is answered, or is older than <see cref="Patience"/>, and then goes with all calls that arrived meanwhile.
/// </summary>
/// <param name="service">The call service of the silo.</param>
/// <param name="isLive">Whether the service may be called now.</param>
/// <param name="late">Receives answers that come after those of their message.</param>
/// <param name="lost">Tells if a silo died meanwhile.</param>
/// <param name="options">The limits of a call.</param>
/// <param name="update">Receives what the silo answers about the silos.</param>
internal sealed class CallMessages(
    ICallService service, Func<bool> isLive, LateAnswers late, LostCalls lost, ActorsClientOptions options, Action<CallMessages, HomeSilos> update)
{
    private const int MaxMessages = 3;
    private const int MaxCalls = 256;

    /// <summary>Above this, calls are left to Orleans, which holds them as before.</summary>
    private const int MaxWaiting = 16_384;

    /// <summary>A message that is not answered within this time holds up no others: it may be lost.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    /// <summary>How long calls that must not be repeated go alone after the silo returned most of those in a message.</summary>
    private static readonly TimeSpan AfterReturns = TimeSpan.FromSeconds(1);

    /// <summary>Fewer returned calls say little, and cost little.</summary>
    private const int FewReturns = 4;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    // Guards the fields below; held for a few accesses, or to copy the calls of one message.
    private readonly Lock _gate = new();
    private readonly Queue<CoalescedCall> _waiting = new();
    private int _awaited;
    private bool _isProbing;
    private long _probeAgainAt;
    private TimeSpan _pause = FirstPause;

    // Set under the lock, read by any thread.
    private volatile bool _isAccepting;

    // A timestamp. Any thread reads and writes it; the last write counts.
    private long _returnsUntil;

    // Set by the route, under its lock; read by any thread.
    private volatile HomeSilos? _homes;

    /// <summary>True while the silo is known to take messages.</summary>
    public bool IsAccepting => _isAccepting;

    /// <summary>The latest list of silos that the silo has sent; null if none yet.</summary>
    public HomeSilos? Homes { get => _homes; set => _homes = value; }

    /// <summary>Adds a call, which is always settled in the end.</summary>
    /// <returns>False if the call must be left to Orleans.</returns>
    public bool TryAdd(CoalescedCall call)
    {
        if (!_isAccepting)
        {
            Probe();
            return false;
        }

        if (!call.IsRepeatable && Stopwatch.GetTimestamp() < Volatile.Read(ref _returnsUntil)) return false;
        lock (_gate)
        {
            if (!_isAccepting || _waiting.Count >= MaxWaiting) return false;
            _waiting.Enqueue(call);
            if (_awaited == MaxMessages) return true;
            _awaited++;
        }

        // Neither the caller's context nor its scheduler may flow into messages that carry the calls of others.
        if (SynchronizationContext.Current is not null || TaskScheduler.Current != TaskScheduler.Default || ExecutionContext.IsFlowSuppressed())
            ThreadPool.UnsafeQueueUserWorkItem(static messages => _ = messages.SendAsync(), this, preferLocal: true);
        else
            using (ExecutionContext.SuppressFlow()) _ = SendAsync();
        return true;
    }

    /// <summary>
    /// Sends a message without calls, in the background and not too often: an older silo does not know messages, and answers them with odd
    /// errors. The answer also tells which silo it is.
    /// </summary>
    public void Probe()
    {
        if (Stopwatch.GetTimestamp() < Volatile.Read(ref _probeAgainAt)) return;
        lock (_gate)
        {
            if (_isProbing || Stopwatch.GetTimestamp() < _probeAgainAt) return;
            _isProbing = true;
        }

        // Off the caller's thread. Handles its failure: the silo takes no messages then.
        _ = Task.Run(ProbeAsync);

        async Task ProbeAsync()
        {
            var known = _homes;
            var probing = InvokeAsync(0, [], [], []);
            await ((Task)probing).WaitAsync(options.AttemptTimeout).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            lock (_gate)
            {
                _isProbing = false;
                _isAccepting |= probing.IsCompletedSuccessfully;

                // It is probed again and again if it is no home of grains.
                Pause(ReferenceEquals(known, _homes) ? _pause : FirstPause);
            }

            probing.Ignore();
        }
    }

    // Handles its failures: they are those of the calls.
    private async Task SendAsync()
    {
        while (Take() is { Length: > 0 } calls)
        {
            var message = Send(calls);
            _ = EndAsync(message);
            await ((Task)message.Delivered).WaitAsync(Patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The calls of the next message; none, and one message less awaited, if no call is waiting.</summary>
    private CoalescedCall[] Take()
    {
        lock (_gate)
        {
            var calls = new List<CoalescedCall>(Math.Min(_waiting.Count, MaxCalls));
            while (calls.Count < MaxCalls && _waiting.TryDequeue(out var call))
            {
                // Nothing of a call that was cancelled meanwhile is executed.
                if (call.IsSettled) call.Drop();
                else calls.Add(call);
            }

            if (calls.Count == 0) _awaited--;
            return [.. calls];
        }
    }

    private SentMessage Send(CoalescedCall[] calls)
    {
        var number = late.Expect(calls);
        return new(number, calls, lost.Enter(), DeliverAsync(number, calls));
    }

    /// <summary>Sends the calls, and passes on the answers.</summary>
    /// <returns>False if some answers come later.</returns>
    private async Task<bool> DeliverAsync(long number, CoalescedCall[] calls)
    {
        if (!isLive())
        {
            Close();
            foreach (var call in calls) call.SendAlone();
            return true;
        }

        try
        {
            CoalescingInstruments.Sent(calls);
            var grains = Array.ConvertAll(calls, call => call.Grain);
            var requests = Array.ConvertAll(calls, call => call.Request);
            var repeatable = Array.ConvertAll(calls, call => call.IsRepeatable);
            // A message carries calls of many callers: it resumes in the context of none.
            var (answers, _, _, returned) = await InvokeAsync(number, grains, requests, repeatable).ConfigureAwait(false);
            var missing = -(returned?.Length ?? 0);
            for (var i = 0; i < calls.Length; i++)
            {
                if (answers[i] is { } answer) calls[i].Answer(answer);
                else missing++;
            }

            if (returned is not null) MakeAlone(calls, returned);
            return missing == 0;
        }
        catch (Exception error)
        {
            Close();

            // Whatever the message failed of, for instance one call that cannot be written, each of its calls may be made again alone.
            var failed = RetryClassifier.WasNotBegun(error) || RetryClassifier.MayHaveBegun(error)
                ? error : new SiloUnavailableException("A message of several calls failed.", error);
            foreach (var call in calls) call.Fail(failed);
            CoalescingInstruments.Failed(calls.Length);
            return true;
        }
    }

    private void MakeAlone(CoalescedCall[] calls, int[] returned)
    {
        // Most grains of such calls are new, or the silo has filters of its own: then each would be sent twice.
        if (returned.Length >= FewReturns && 2 * returned.Length > calls.Count(call => !call.IsRepeatable))
            Volatile.Write(ref _returnsUntil, Stopwatch.GetTimestamp() + (long)(AfterReturns.TotalSeconds * Stopwatch.Frequency));
        foreach (var index in returned) calls[index].SendAlone();
    }

    // Asynchronous, so that a failure to send is a failure of the answer too.
    private async Task<CallAnswers> InvokeAsync(long number, GrainId[] grains, IInvokable[] requests, bool[] repeatable)
    {
        if (!isLive()) throw new ConnectionFailedException("The silo of these calls is not connected.");
        var message = new CallMessage(number, grains, requests, _homes?.Version ?? 0, repeatable);
        var answers = await service.InvokeAsync(message, late.Reference).ConfigureAwait(false);
        if (answers.Forwarded > 0) CoalescingInstruments.Forwarded(answers.Forwarded);
        if (answers.Returned is { } returned) CoalescingInstruments.Returned(returned.Length);
        if (answers.Homes is { } homes) update(this, homes);
        return answers;
    }

    /// <summary>Fails the calls that are not answered in time, counted from the oldest. Handles its failures.</summary>
    private async Task EndAsync(SentMessage message)
    {
        var (number, calls, era, delivered) = message;
        var attempt = options.AttemptTimeout < options.ResponseTimeout ? options.AttemptTimeout : options.ResponseTimeout;
        await WaitAsync(delivered, attempt).ConfigureAwait(false);
        if (!delivered.IsCompletedSuccessfully || !await delivered.ConfigureAwait(false))
        {
            var all = Task.WhenAll(Array.ConvertAll(calls, call => call.Settled));
            await WaitAsync(all, Left(attempt)).ConfigureAwait(false);
            if (!all.IsCompleted && !era.Lost.IsCancellationRequested)
            {
                foreach (var call in calls)
                {
                    if (call.IsRepeatable) call.Fail(NotAnswered(attempt));
                }

                await WaitAsync(all, Left(options.ResponseTimeout)).ConfigureAwait(false);
            }

            var failed = era.Lost.IsCancellationRequested ? Lost() : NotAnswered(options.ResponseTimeout);
            foreach (var call in calls) call.Fail(failed);
            all.Ignore();
        }

        late.Forget(number);
        era.Leave();

        // The first call is the oldest.
        TimeSpan Left(TimeSpan limit) => limit - Stopwatch.GetElapsedTime(calls[0].Began);

        async Task WaitAsync(Task task, TimeSpan limit)
        {
            if (!task.IsCompleted && limit > TimeSpan.Zero)
                await task.WaitAsync(limit, era.Lost).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Takes no more calls until the silo has answered again, and leaves those that wait to Orleans.</summary>
    private void Close()
    {
        CoalescedCall[] unsent;
        lock (_gate)
        {
            unsent = [.. _waiting];
            _waiting.Clear();
            if (!_isAccepting) return;
            _isAccepting = false;
            Pause(FirstPause);
        }

        foreach (var call in unsent) call.SendAlone();
    }

    // Under the lock.
    private void Pause(TimeSpan pause)
    {
        _probeAgainAt = Stopwatch.GetTimestamp() + (long)(pause.TotalSeconds * Stopwatch.Frequency);
        _pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
    }

    private static TimeoutException Lost() => new("A silo was declared dead while the call was in flight, and no answer has arrived since.");

    private static TimeoutException NotAnswered(TimeSpan limit) => new($"The call was not answered within {limit}.");

    private sealed record SentMessage(long Number, CoalescedCall[] Calls, LostCalls.Era Era, Task<bool> Delivered);
}
