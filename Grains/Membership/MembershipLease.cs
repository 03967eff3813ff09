namespace Actors.Membership;

/// <summary>A silo's knowledge of its own membership.</summary>
internal enum Standing
{
    /// <summary>Neither the membership table nor the other silos answered. The silo may have been declared dead.</summary>
    Unknown,

    /// <summary>The silo was a member at the time of the request.</summary>
    Member,

    /// <summary>The silo was declared dead, which is final. Others may have taken over and changed its grains.</summary>
    Evicted,
}

/// <summary>
/// The right of this silo to answer from memory. It is renewed repeatedly in the background; each proof is valid for
/// <see cref="Duration"/> from the time of its request. After a longer pause of the process the proof is invalid, so the first
/// answer waits for a new one. Other silos change nothing that a dead silo owned before its last possible proof has expired
/// (<see cref="ExpiringLeases"/>).
/// </summary>
/// <param name="clock">
/// The clock. The monotonic clock of Linux includes time in which the process is stopped, but not time in which the machine is
/// suspended; the wall clock includes both. A proof expires by whichever clock says so first.
/// </param>
/// <param name="prove">
/// Asks whether this silo is a member. The argument tells whether the lease is still valid. Evidence that extends a valid lease
/// may be too weak to renew an expired one.
/// </param>
internal sealed class MembershipLease(TimeProvider clock, Func<bool, Task<Standing>> prove)
{
    /// <summary>
    /// How long a proof is valid. Longer than the normal latency of Redis, shorter than the time others need to notice silence.
    /// </summary>
    public static readonly TimeSpan Duration = TimeSpan.FromSeconds(3);

    // A proof already in flight when a caller came may have been requested before the pause.
    private const int MaxAttempts = 3;

    // Guards _proving. One proof at a time serves all callers.
    private readonly Lock _gate = new();
    private Task<Standing> _proving = Task.FromResult(Standing.Unknown);

    // The last proof, replaced as a whole by the attempt in flight, read by any thread. Null: none yet, or evicted.
    private volatile Proof? _proof;

    // The result of the last attempt, written only by that attempt. Evicted is final.
    private volatile Standing _last = Standing.Member;

    /// <summary>
    /// True while this silo may answer from memory. Check it when answering, with no await in between. Costs two clock
    /// readings.
    /// </summary>
    public bool IsValid => _proof is { } proof
        && clock.GetElapsedTime(proof.AskedAt) < Duration
        && clock.GetUtcNow().UtcTicks - proof.AskedAtUtc < Duration.Ticks;

    /// <summary>
    /// Returns the current knowledge, and asks first if the lease has expired. While the last attempt has failed, returns
    /// <see cref="Standing.Unknown"/> at once; <see cref="RenewAsync"/> keeps trying.
    /// </summary>
    public ValueTask<Standing> ConfirmAsync() => IsValid ? new(Standing.Member) : new(AskAsync());

    /// <summary>Like <see cref="ConfirmAsync"/>, for callers that may continue unless this silo is evicted.</summary>
    /// <exception cref="SiloEvictedException">This silo was declared dead.</exception>
    public ValueTask EnsureNotEvictedAsync() => IsValid ? default : new(AskNotEvictedAsync());

    /// <summary>Requests a new proof. Call it at regular intervals, well within <see cref="Duration"/>.</summary>
    public Task<Standing> RenewAsync()
    {
        lock (_gate)
        {
            // Runs outside the grain's turn and outside the lock.
            if (_proving.IsCompleted && _last != Standing.Evicted) _proving = Task.Run(ProveAsync);
            return _proving;
        }
    }

    private async Task AskNotEvictedAsync()
    {
        if (await AskAsync() == Standing.Evicted)
            throw new SiloEvictedException("The other silos declared this silo dead and it is about to stop; the call had no effect.");
    }

    private async Task<Standing> AskAsync()
    {
        for (var attempt = 1; _last == Standing.Member && attempt <= MaxAttempts; attempt++)
        {
            await RenewAsync();
            if (IsValid) return Standing.Member;
        }

        return _last == Standing.Evicted ? Standing.Evicted : Standing.Unknown;
    }

    private async Task<Standing> ProveAsync()
    {
        // Taken before the request, because the answer may be as old as that.
        var proof = new Proof(clock.GetTimestamp(), clock.GetUtcNow().UtcTicks);
        var standing = Standing.Unknown;
        try
        {
            standing = await prove(IsValid);
        }
        finally
        {
            if (standing == Standing.Member) _proof = proof;
            else if (standing == Standing.Evicted) _proof = null;
            _last = standing;
        }

        return standing;
    }

    private sealed record Proof(long AskedAt, long AskedAtUtc);
}
