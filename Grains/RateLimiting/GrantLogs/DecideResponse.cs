namespace Actors.RateLimiting;

/// <summary>The response to one <see cref="DecideRequest"/>.</summary>
internal sealed record DecideResponse
{
    /// <summary>One of the statuses of <see cref="GrantScripts"/>.</summary>
    public required int Status { get; init; }

    /// <summary>The time of the decision on the server's clock.</summary>
    public required long Time { get; init; }

    /// <summary>The time from which the grants count.</summary>
    public long At { get; init; }

    /// <summary>The permits in the reserve now.</summary>
    public long Reserved { get; init; }

    /// <summary>How long the previous owner may still grant from its reserve without learning that it lost the log.</summary>
    public TimeSpan HeldFor { get; init; }

    /// <summary>When the call was sent and its response received, on the monotonic clock.</summary>
    public required (long Sent, long Received) Taken { get; init; }

    public string Epoch { get; init; } = "";

    /// <summary>All permits granted before these.</summary>
    public long Before { get; init; }

    /// <summary>True if the grant was merged into the last one.</summary>
    public bool IsAddedToLast { get; init; }

    /// <summary>
    /// The granted calls of each ticket. For a name that was granted before, the negative time of that grant.
    /// </summary>
    public long[] Granted { get; init; } = [];

    /// <summary>All permits that this response granted.</summary>
    public long PermitsGranted(IReadOnlyList<Ticket> tickets)
    {
        var permits = 0L;
        for (var i = 0; i < tickets.Count; i++) permits += Math.Max(0, Granted[i]) * tickets[i].Permits;
        return permits;
    }

    /// <summary>For a new owner: all grants that count, and the permits granted before the first of them.</summary>
    public IReadOnlyList<(long At, long Permits)> Grants { get; init; } = [];

    /// <inheritdoc cref="Grants"/>
    public long BeforeGrants { get; init; }

    /// <summary>True if there may be earlier grants that count (<see cref="RedisGrantLogStore.LoadOlderAsync"/>).</summary>
    public bool IsPartial { get; init; }

    /// <summary>With all grants that count, given newest first.</summary>
    public DecideResponse WithGrants(List<(long At, long Before, long Permits)> grants)
    {
        grants.Reverse();
        return this with { Grants = [.. grants.Select(grant => (grant.At, grant.Permits))], BeforeGrants = grants.Count == 0 ? 0 : grants[0].Before };
    }
}
