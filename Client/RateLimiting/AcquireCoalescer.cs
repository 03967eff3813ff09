namespace Actors;

/// <summary>
/// The calls of one client in this process, gathered: one call to its grain is in flight at a time, and whatever arrives
/// meanwhile goes with the next. Where the grain does not answer in time, those who wait are left undecided; those who come
/// then are so at once, until it answers again. What is granted to a caller that has left, or was denied meanwhile, is given
/// back.
/// </summary>
/// <param name="clientId">Whose calls these are.</param>
/// <param name="acquire">Decides a batch, position by position.</param>
/// <param name="probe">Succeeds where the grain answers; charges nothing.</param>
/// <param name="callTimeout">How long nobody waits longer than, from the call to the answer.</param>
/// <param name="outage">Told of answers and of their absence.</param>
/// <param name="fallbacks">Learns the limits from answers.</param>
/// <param name="unused">Gives back what nobody uses.</param>
/// <param name="time">The clock of the waiting.</param>
/// <param name="retired">Called once, when nobody waits any more: this takes no further calls.</param>
internal sealed class AcquireCoalescer(
    string clientId, Func<RateLimitRequest[], Task<RateLimitDecision[]>> acquire,
    Func<string, CancellationToken, Task<RateLimitDecision>> probe, TimeSpan callTimeout, Outage outage, FallbackLimits fallbacks,
    UnusedGrants unused, TimeProvider time, Action<AcquireCoalescer> retired)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    // Guards the fields below; held for a few field accesses, never over an await or while callers are settled.
    private readonly Lock _gate = new();

    // Those that are not being decided yet, oldest first, and when the oldest came.
    private List<Acquisition> _waiting = [];
    private long _waitingSince;
    private bool _isCalling;
    private bool _isSilent;
    private bool _wasAsked;
    private bool _isRetired;

    /// <summary>Takes a caller on, which is settled in the end whatever happens.</summary>
    /// <returns>False where this is retired.</returns>
    public bool TryAdd(Acquisition acquisition, int maxQueued)
    {
        bool isSilent, isTaken, isFirst = false;
        lock (_gate)
        {
            if (_isRetired) return false;
            _wasAsked = true;
            isSilent = _isSilent;
            isTaken = !isSilent && _waiting.Count < maxQueued;
            if (isTaken)
            {
                if (_waiting.Count == 0) _waitingSince = time.GetTimestamp();
                _waiting.Add(acquisition);
                isFirst = !_isCalling;
                _isCalling = true;
            }
        }

        // Off the caller's scheduler. It owns its failures: every caller it takes is settled, whatever happens.
        if (isFirst) _ = Task.Run(() => CallAsync(isSilent: false));
        if (isSilent) acquisition.LeaveUndecided();

        // Whoever sends too much is the reason: that must not let its callers past.
        else if (!isTaken) acquisition.DenyOverloaded();
        return true;
    }

    /// <summary>
    /// True where the grain does not answer just now: who asks is not to wait for it. That somebody asks keeps the search
    /// for an answer going.
    /// </summary>
    public bool IsSilent()
    {
        lock (_gate)
        {
            _wasAsked |= _isSilent;
            return _isSilent;
        }
    }

    /// <summary>Begins by looking for an answer. To be called once, on a new one.</summary>
    public void StartSilent(long since, Exception error)
    {
        lock (_gate) (_isCalling, _isSilent) = (true, true);
        outage.Begin(clientId, since, error);
        _ = Task.Run(() => CallAsync(isSilent: true));
    }

    private async Task CallAsync(bool isSilent)
    {
        if (isSilent) await RecoverAsync(RateLimits.DefaultPolicy).ConfigureAwait(false);
        var batch = new List<Acquisition>();
        while (TryTake(ref batch, out var since))
        {
            var policy = batch[0].Request.Policy;
            try
            {
                if (!await DecideAsync(batch, since).ConfigureAwait(false)) await RecoverAsync(policy).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                // A defect of ours. Its callers get it, and the loop goes on for those who call next.
                batch.ForEach(acquisition => acquisition.Fail(error));
            }

            // Those just answered may ask again at once: then they go with the next call, not with the one after.
            await Task.Yield();
        }

        retired(this);
    }

    /// <summary>Takes those that wait; false, and none any more, where nobody does.</summary>
    private bool TryTake(ref List<Acquisition> batch, out long since)
    {
        lock (_gate)
        {
            since = _waitingSince;
            _isRetired = _waiting.Count == 0;
            if (_waiting.Count <= RateLimits.MaxBatch)
            {
                (batch, _waiting) = (_waiting, batch);
                _waiting.Clear();
            }
            else
            {
                // Those that stay came later than is now said of them, and so wait less rather than more.
                batch = _waiting.GetRange(0, RateLimits.MaxBatch);
                _waiting.RemoveRange(0, RateLimits.MaxBatch);
            }

            return !_isRetired;
        }
    }

    /// <returns>False where the grain did not answer; all who waited are settled then.</returns>
    private async Task<bool> DecideAsync(List<Acquisition> batch, long since)
    {
        // Who was cancelled meanwhile is not charged.
        batch.RemoveAll(acquisition => acquisition.IsSettled);
        if (batch.Count == 0) return true;

        var began = time.GetTimestamp();
        Task<RateLimitDecision[]>? call = null;
        try
        {
            var requests = batch.ConvertAll(acquisition => acquisition.Request).ToArray();
            var left = callTimeout - time.GetElapsedTime(since, began);
            call = acquire(requests);
            var decisions = await call.WithinAsync(left, time).ConfigureAwait(false);
            outage.Answered();
            fallbacks.Learn(decisions[0]);
            RateLimitClientInstruments.Answered(batch.Count, time.GetElapsedTime(began));
            Tell(batch, decisions);
            return true;
        }
        catch (InvalidRateLimitException error)
        {
            outage.Answered();
            return await SortOutAsync(batch, since, error).ConfigureAwait(false);
        }
        catch (ActorsException error)
        {
            // It answered that it cannot decide.
            outage.Answered();
            batch.ForEach(acquisition => acquisition.Refuse(error));
            return true;
        }
        catch (Exception error) when (RateLimitCalls.IsOverload(error))
        {
            batch.ForEach(acquisition => acquisition.DenyOverloaded());
            return true;
        }
        catch (Exception error)
        {
            GoSilent(batch, began, error);

            // Not cancelled: its answer tells what it charged. Orleans ends it in time, and there is one for each silence.
            if (call is not null) _ = TakeBackAsync(call, [.. batch]);
            return false;
        }
    }

    /// <summary>Tells each caller, and gives back what was granted to those who have left.</summary>
    private void Tell(List<Acquisition> batch, RateLimitDecision[] decisions)
    {
        List<UnusedGrant>? grants = null;
        for (var i = 0; i < batch.Count; i++)
        {
            if (!batch[i].Decide(decisions[i]) && UnusedGrants.IsCharged(decisions[i]) && !batch[i].IsLetPast)
                (grants ??= []).Add(new(decisions[i].Policy, batch[i].Request.Permits, decisions[i].DecidedAt));
        }

        if (grants is not null) unused.GiveBack(clientId, [.. grants]);
    }

    /// <summary>Waits for an answer that is late: all have been told something else meanwhile. It owns its failures.</summary>
    private async Task TakeBackAsync(Task<RateLimitDecision[]> call, List<Acquisition> batch)
    {
        try
        {
            Tell(batch, await call.ConfigureAwait(false));
        }
        catch (Exception)
        {
            // It was lost; whatever it charged stays so.
        }
    }

    /// <summary>
    /// One wrong request has the whole batch refused, and nothing charged: asks again for each kind on its own, so that
    /// only those fail that are wrong.
    /// </summary>
    private async Task<bool> SortOutAsync(List<Acquisition> batch, long since, InvalidRateLimitException error)
    {
        var kinds = batch.GroupBy(acquisition => acquisition.Request).ToList();
        if (kinds.Count == 1)
        {
            batch.ForEach(acquisition => acquisition.Fail(error));
            return true;
        }

        var isAnswered = true;
        foreach (var kind in kinds)
        {
            if (isAnswered) isAnswered = await DecideAsync([.. kind], since).ConfigureAwait(false);
            else foreach (var acquisition in kind) acquisition.LeaveUndecided();
        }

        return isAnswered;
    }

    private void GoSilent(List<Acquisition> batch, long since, Exception error)
    {
        List<Acquisition> waiting;
        lock (_gate)
        {
            (waiting, _waiting) = (_waiting, []);
            (_isSilent, _wasAsked) = (true, false);
        }

        outage.Begin(clientId, since, error);
        batch.ForEach(acquisition => acquisition.LeaveUndecided());
        waiting.ForEach(acquisition => acquisition.LeaveUndecided());
    }

    /// <summary>Returns once the grain answers, or nobody asks for the client any more.</summary>
    private async Task RecoverAsync(string policy)
    {
        var pause = FirstPause;
        do
        {
            // Jitter, so that not all processes come back at once.
            await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), time).ConfigureAwait(false);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
        while (!await IsAnsweredAsync(policy).ConfigureAwait(false) && IsAskedFor());

        lock (_gate) _isSilent = false;
        outage.End();
    }

    private bool IsAskedFor()
    {
        lock (_gate)
        {
            var was = _wasAsked;
            _wasAsked = false;
            return was;
        }
    }

    private async Task<bool> IsAnsweredAsync(string policy)
    {
        using var givenUp = new CancellationTokenSource();
        try
        {
            await probe(policy, givenUp.Token).WithinAsync(callTimeout, time).ConfigureAwait(false);
        }
        catch (ActorsException)
        {
            // That is an answer as well.
        }
        catch (Exception)
        {
            await givenUp.CancelAsync().ConfigureAwait(false);
            return false;
        }

        outage.Answered();
        return true;
    }
}
