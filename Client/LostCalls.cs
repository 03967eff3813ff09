namespace Actors;

/// <summary>
/// Detects calls that were lost with a dead silo. Orleans does not report them: a client calls through any silo and does not know
/// which one executes its call. So while calls wait, the client asks the cluster which silos died. A call that began before such a
/// death and is still unanswered a moment later is presumed lost.
/// </summary>
internal sealed class LostCalls(Func<CancellationToken, Task<SiloDeath[]>> askAsync, TimeProvider clock) : IDisposable
{
    /// <summary>The age from which an unanswered call is suspicious.</summary>
    private static readonly TimeSpan Ordinary = TimeSpan.FromSeconds(3);

    /// <summary>The grace period of a call after a death is known: it may run on another silo, or have been placed again.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Step = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _stop = new();

    // Calls of one second share an era. Replaced by the loop only; any call reads it.
    private volatile Era _current = new(clock.GetTimestamp());

    // The watch loop is started by the first call; set once under the lock.
    private readonly Lock _gate = new();
    private Task? _watching;

    /// <summary>To be called when a call begins; <see cref="Era.Leave"/> when it ends.</summary>
    public Era Enter()
    {
        if (_watching is null) Watch();
        while (true)
        {
            var era = _current;
            if (era.TryEnter()) return era;
        }
    }

    /// <summary>Stops the loop. The loop may still use the source, which holds nothing that must be freed.</summary>
    public void Dispose() => _stop.Cancel();

    private void Watch()
    {
        lock (_gate) _watching ??= Task.Run(WatchAsync);
    }

    private async Task WatchAsync()
    {
        // Accessed by this loop only. Grows by at most one era per second, and each is removed with its last call; calls are bounded in time.
        var waiting = new List<Era>();
        try
        {
            while (true)
            {
                await Task.Delay(Step, clock, _stop.Token);
                var now = clock.GetTimestamp();
                if (!_current.IsEmpty)
                {
                    waiting.Add(_current);
                    _current = new(now);
                }
                else
                {
                    _current.Renew(now);
                }

                waiting.RemoveAll(era => era.TryClose());
                if (waiting.Exists(era => clock.GetElapsedTime(era.Began, now) >= Ordinary)) await FindAsync(waiting);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The client is stopped, and its calls with it.
        }
    }

    private async Task FindAsync(List<Era> waiting)
    {
        SiloDeath[] deaths;
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            limit.CancelAfter(AnswerLimit);
            deaths = await askAsync(limit.Token).WaitAsync(limit.Token);
        }
        catch (Exception) when (!_stop.IsCancellationRequested)
        {
            // Retried in a second; the calls have their own timeouts.
            return;
        }

        if (deaths.Length == 0) return;
        var latest = deaths.Min(death => death.Ago);
        foreach (var era in waiting)
        {
            if (clock.GetElapsedTime(era.Began) > latest && clock.GetElapsedTime(era.Began) >= Ordinary) era.Suspect(clock, Grace);
        }
    }

    /// <summary>The calls that began within about a second.</summary>
    public sealed class Era(long began) : IDisposable
    {
        // Interlocked: the number of calls in flight; negative once closed.
        private int _calls;

        // Accessed by the loop only.
        private readonly CancellationTokenSource _lost = new();
        private long _suspectSince;

        /// <summary>The earliest time at which one of the calls may have begun.</summary>
        public long Began { get; private set; } = began;

        /// <summary>Cancelled once the calls are presumed lost.</summary>
        public CancellationToken Lost => _lost.Token;

        public bool IsEmpty => Volatile.Read(ref _calls) == 0;

        public void Leave() => Interlocked.Decrement(ref _calls);

        internal bool TryEnter()
        {
            if (Interlocked.Increment(ref _calls) > 0) return true;
            Interlocked.Decrement(ref _calls);
            return false;
        }

        /// <summary>Restarts an era without calls at <paramref name="now"/>.</summary>
        internal void Renew(long now) => Began = now;

        /// <summary>Closes the era if its last call has ended; no call can enter it then.</summary>
        internal bool TryClose()
        {
            if (Interlocked.CompareExchange(ref _calls, int.MinValue / 2, 0) != 0) return false;
            if (!_lost.IsCancellationRequested) Dispose();
            return true;
        }

        public void Dispose() => _lost.Dispose();

        internal void Suspect(TimeProvider clock, TimeSpan grace)
        {
            if (_suspectSince == 0) _suspectSince = clock.GetTimestamp();

            // Not on the loop: the continuations of the callers may take long.
            else if (clock.GetElapsedTime(_suspectSince) >= grace && !_lost.IsCancellationRequested) _ = _lost.CancelAsync();
        }
    }
}
