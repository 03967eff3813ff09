namespace Actors;

/// <summary>
/// Coalesces the calls of one client in this process: one call to its grain is in flight at a time, and the next carries all calls
/// that arrived meanwhile. If the grain does not answer in time, waiting calls are left undecided, and so are new ones at once,
/// until it answers again. Grants to callers that left or were denied meanwhile are refunded.
/// </summary>
/// <param name="clientId">The client.</param>
/// <param name="acquire">Decides a batch, position by position.</param>
/// <param name="probe">Succeeds if the grain answers; charges nothing.</param>
/// <param name="callTimeout">Maximum time a caller waits, from the call to the answer.</param>
/// <param name="outage">Receives answers and timeouts.</param>
/// <param name="fallbacks">Learns the limits from answers.</param>
/// <param name="unused">Refunds unused grants.</param>
/// <param name="time">The clock for timeouts and pauses.</param>
/// <param name="retired">Called once when no call is waiting any more: this takes no further calls.</param>
internal sealed class AcquireCoalescer(
    string clientId, Func<RateLimitRequest[], Task<RateLimitDecision[]>> acquire,
    Func<string, CancellationToken, Task<RateLimitDecision>> probe, TimeSpan callTimeout, Outage outage, FallbackLimits fallbacks,
    UnusedGrants unused, TimeProvider time, Action<AcquireCoalescer> retired)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    // Guards the fields below; held for a few field accesses, never over an await or while callers are settled.
    private readonly Lock _gate = new();

    // The undecided calls, oldest first, and when the oldest arrived.
    private List<Acquisition> _waiting = [];
    private long _waitingSince;
    private bool _isCalling;
    private bool _isSilent;
    private bool _wasAsked;
    private bool _isRetired;

    /// <summary>Adds a call, which is always settled in the end.</summary>
    /// <returns>False if this is retired.</returns>
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

        if (isFirst) Call();
        if (isSilent) acquisition.LeaveUndecided();

        // The caller's own load is the cause, so it must not be allowed past its limits.
        else if (!isTaken) acquisition.DenyOverloaded();
        return true;
    }

    /// <summary>
    /// True if the grain does not answer now, so callers must not wait for it. Each query keeps the probing going.
    /// </summary>
    public bool IsSilent()
    {
        lock (_gate)
        {
            _wasAsked |= _isSilent;
            return _isSilent;
        }
    }

    /// <summary>Starts by probing for an answer. To be called once, on a new instance.</summary>
    public void StartSilent(long since, Exception error)
    {
        lock (_gate) (_isCalling, _isSilent) = (true, true);
        outage.Begin(clientId, since, error);
        _ = Task.Run(() => CallAsync(isSilent: true));
    }

    // Not on a scheduler of the caller, whose turns others wait for. Failures are handled inside: every call it takes is settled.
    private void Call() =>
        _ = SynchronizationContext.Current is null && TaskScheduler.Current == TaskScheduler.Default
            ? CallAsync(isSilent: false)
            : Task.Run(() => CallAsync(isSilent: false));

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
                // A defect. The callers get it, and the loop continues for the next calls.
                batch.ForEach(acquisition => acquisition.Fail(error));
            }

            // Callers just answered may call again at once; let them join the next batch, not the one after.
            if (batch.Count > 1) await Task.Yield();
        }

        retired(this);
    }

    /// <summary>Takes the waiting calls; returns false and retires if there are none.</summary>
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
                // The remaining calls arrived after _waitingSince, so they wait less rather than more.
                batch = _waiting.GetRange(0, RateLimits.MaxBatch);
                _waiting.RemoveRange(0, RateLimits.MaxBatch);
            }

            return !_isRetired;
        }
    }

    /// <returns>False if the grain did not answer; all waiting calls are then settled.</returns>
    private async Task<bool> DecideAsync(List<Acquisition> batch, long since)
    {
        // Calls that were cancelled meanwhile are not charged.
        batch.RemoveAll(acquisition => acquisition.IsSettled);
        if (batch.Count == 0) return true;

        var began = time.GetTimestamp();
        Task<RateLimitDecision[]>? call = null;
        try
        {
            var requests = batch.ConvertAll(acquisition => acquisition.Request).ToArray();
            var left = callTimeout - time.GetElapsedTime(since, began);
            call = acquire(requests);

            // A call that is not answered in time is awaited by TakeBackAsync, so its failure is seen.
            var decisions = await call.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time).ConfigureAwait(false);
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
            // The cluster answered that it cannot decide.
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

            // Not cancelled: its answer tells what it charged. Orleans ends it in time, and there is only one per silence.
            if (call is not null) _ = TakeBackAsync(call, [.. batch]);
            return false;
        }
    }

    /// <summary>Settles each call, and refunds grants of callers that have left.</summary>
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

    /// <summary>Waits for a late answer, after its calls were settled otherwise. Handles its own failures.</summary>
    private async Task TakeBackAsync(Task<RateLimitDecision[]> call, List<Acquisition> batch)
    {
        try
        {
            Tell(batch, await call.ConfigureAwait(false));
        }
        catch (Exception)
        {
            // The answer was lost; its charges stay.
        }
    }

    /// <summary>
    /// One invalid request makes the cluster refuse the whole batch without charges. Sends each kind of request again by itself, so
    /// that only the invalid ones fail.
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

    /// <summary>Returns once the grain answers, or the client is no longer in use.</summary>
    private async Task RecoverAsync(string policy)
    {
        var pause = FirstPause;
        do
        {
            // Jitter, so that not all processes retry at once.
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
            // An error of the actors is an answer as well.
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
