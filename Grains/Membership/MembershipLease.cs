namespace Actors.Membership;

/// <summary>What a silo knows of its own membership.</summary>
internal enum Standing
{
    /// <summary>Neither the membership table nor the other silos could be asked: it may have been declared dead.</summary>
    Unknown,

    /// <summary>It was a member when it asked.</summary>
    Member,

    /// <summary>It was declared dead, for good: others may have taken its grains over and changed them.</summary>
    Evicted,
}

/// <summary>
/// The right of this silo to answer from memory. It is proven again and again in the background, and each proof is worth
/// <see cref="Duration"/> from the moment it was asked for. A silo that did not run for longer than that has no valid proof
/// when it runs again, so its first answer waits for a new one. Others do not change what a dead silo owned before its last
/// possible proof has expired (<see cref="ExpiringLeases"/>).
/// </summary>
/// <param name="clock">
/// The time. The monotonic clock of Linux counts the time in which the process is stopped, but not the time in which the machine
/// is suspended; the wall clock does. A proof expires by whichever says so first.
/// </param>
/// <param name="prove">
/// Asks whether this silo is a member. It is given whether the lease is still valid: what extends a valid lease may be too weak
/// to renew one that has expired.
/// </param>
internal sealed class MembershipLease(TimeProvider clock, Func<bool, Task<Standing>> prove)
{
    /// <summary>How long a proof is worth. Longer than Redis is slow in ordinary times, shorter than others take to notice a silence.</summary>
    public static readonly TimeSpan Duration = TimeSpan.FromSeconds(3);

    // A proof that was already under way when a caller came may have been asked for before the pause.
    private const int MaxAttempts = 3;

    // Guards _proving: one proof at a time serves all callers.
    private readonly Lock _gate = new();
    private Task<Standing> _proving = Task.FromResult(Standing.Unknown);

    // The last proof, replaced as a whole by the one attempt under way, read by any thread. Null: none yet, or evicted.
    private volatile Proof? _proof;

    // How the last attempt ended, written by it alone. Evicted is final.
    private volatile Standing _last = Standing.Member;

    /// <summary>
    /// True while this silo may answer from memory. To be asked at the moment of the answer, with no await in between. Costs
    /// two looks at the clock.
    /// </summary>
    public bool IsValid => _proof is { } proof
        && clock.GetElapsedTime(proof.AskedAt) < Duration
        && clock.GetUtcNow().UtcTicks - proof.AskedAtUtc < Duration.Ticks;

    /// <summary>
    /// Returns what is known now; asks first if the lease has expired. While the last attempt to ask has failed it returns
    /// <see cref="Standing.Unknown"/> at once: <see cref="RenewAsync"/> goes on trying.
    /// </summary>
    public ValueTask<Standing> ConfirmAsync() => IsValid ? new(Standing.Member) : new(AskAsync());

    /// <summary>As <see cref="ConfirmAsync"/>, for callers who may go on unless this silo is evicted.</summary>
    /// <exception cref="SiloEvictedException">This silo was declared dead.</exception>
    public ValueTask EnsureNotEvictedAsync() => IsValid ? default : new(AskNotEvictedAsync());

    /// <summary>Asks for a new proof. To be called at regular intervals, well within <see cref="Duration"/>.</summary>
    public Task<Standing> RenewAsync()
    {
        lock (_gate)
        {
            // Not in the turn of a grain, nor under the lock.
            if (_proving.IsCompleted && _last != Standing.Evicted) _proving = Task.Run(ProveAsync);
            return _proving;
        }
    }

    private async Task AskNotEvictedAsync()
    {
        if (await AskAsync() == Standing.Evicted)
            throw new SiloEvictedException("The silo was declared dead by the others and is about to end; it did nothing.");
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
        // Before it asks: the answer may be as old as that.
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
