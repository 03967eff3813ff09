namespace Actors;

/// <summary>
/// Finds calls that a dead silo took with it. Orleans does not tell: a client calls by way of any silo and does not know which
/// one has its call. So while calls wait, the cluster is asked which silos died since they were made; a call that began
/// before such a death and is still not answered a moment later is taken for lost.
/// </summary>
internal sealed class LostCalls(Func<CancellationToken, Task<SiloDeath[]>> askAsync, TimeProvider clock) : IDisposable
{
    /// <summary>An answer takes that long only if something is wrong.</summary>
    private static readonly TimeSpan Ordinary = TimeSpan.FromSeconds(3);

    /// <summary>How long a call has after it is known that a silo died: it may be on another one, or was placed anew.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Step = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _stop = new();

    // Calls of one second share an era. Replaced by the loop only; any call reads it.
    private volatile Era _current = new(clock.GetTimestamp());

    // Begun by the first call; set once under the lock.
    private readonly Lock _gate = new();
    private Task? _watching;

    /// <summary>To be asked when a call begins; <see cref="Era.Leave"/> when it ends.</summary>
    public Era Enter()
    {
        if (_watching is null) Watch();
        while (true)
        {
            var era = _current;
            if (era.TryEnter()) return era;
        }
    }

    /// <summary>Ends the loop. It may still be about to look at its stop signal, which holds nothing that must be freed.</summary>
    public void Dispose() => _stop.Cancel();

    private void Watch()
    {
        lock (_gate) _watching ??= Task.Run(WatchAsync);
    }

    private async Task WatchAsync()
    {
        // Of this loop only. One more each second at most, and gone with its last call: no call waits for ever.
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
            // The client is gone, and its calls with it.
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
            // Asked again in a second; the calls have a time limit besides.
            return;
        }

        if (deaths.Length == 0) return;
        var latest = deaths.Min(death => death.Ago);
        foreach (var era in waiting)
        {
            if (clock.GetElapsedTime(era.Began) > latest && clock.GetElapsedTime(era.Began) >= Ordinary) era.Suspect(clock, Grace);
        }
    }

    /// <summary>The calls that were made within about a second.</summary>
    public sealed class Era(long began) : IDisposable
    {
        // Interlocked: how many calls are under way; negative once it is closed.
        private int _calls;

        // Made by the loop only.
        private readonly CancellationTokenSource _lost = new();
        private long _suspectSince;

        /// <summary>When the first of them may have begun.</summary>
        public long Began { get; private set; } = began;

        /// <summary>Cancelled once its calls are taken for lost.</summary>
        public CancellationToken Lost => _lost.Token;

        public bool IsEmpty => Volatile.Read(ref _calls) == 0;

        public void Leave() => Interlocked.Decrement(ref _calls);

        internal bool TryEnter()
        {
            if (Interlocked.Increment(ref _calls) > 0) return true;
            Interlocked.Decrement(ref _calls);
            return false;
        }

        /// <summary>It has no call, and none that begins from now on began before <paramref name="now"/>.</summary>
        internal void Renew(long now) => Began = now;

        /// <summary>True if the last of its calls has ended. None begins any more.</summary>
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

            // Not on the loop: what the callers do next may take long.
            else if (clock.GetElapsedTime(_suspectSince) >= grace && !_lost.IsCancellationRequested) _ = _lost.CancelAsync();
        }
    }
}
