using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>What a limiter asks of its log in Redis: to decide these calls, in this order.</summary>
internal sealed class LogQuestion
{
    public required RedisKey Log { get; init; }

    /// <summary>The named grants; none where no ticket has a name.</summary>
    public RedisKey? Requests { get; init; }

    public required Windows Windows { get; init; }

    /// <summary>The owner's epoch; null to become the owner.</summary>
    public string? Epoch { get; init; }

    /// <summary>The time of the last grant, as the owner knows it.</summary>
    public long Newest { get; init; }

    /// <summary>All permits charged, as the owner knows it, those of the reserve among them.</summary>
    public long Charged { get; init; }

    /// <summary>All permits granted.</summary>
    public long Granted { get; init; }

    /// <summary>What was granted from the reserve, and takes its place; null where there is no reserve.</summary>
    public IReadOnlyList<(long At, long Before, long Permits)>? FromReserve { get; init; }

    /// <summary>How many permits are to be in the next reserve.</summary>
    public long Reserve { get; init; }

    /// <summary>What the server's clock shows at least.</summary>
    public long Earliest { get; init; }

    /// <summary>Of each window what counts in it, and until when that is so, as the owner knows it; else zeros.</summary>
    public required (long Used, long Until)[] Usage { get; init; }

    /// <summary>True where there is much in the log that counts no more.</summary>
    public bool IsTrimming { get; init; }

    /// <summary>True where the log's life is to be renewed.</summary>
    public bool IsRenewing { get; init; }

    /// <summary>True where the log is so long that grants close together are made one.</summary>
    public bool IsDense { get; init; }

    public required IReadOnlyList<Ticket> Tickets { get; init; }
}

/// <summary>What Redis answered.</summary>
internal sealed record LogAnswer
{
    /// <summary>One of <see cref="GrantScripts"/>.</summary>
    public required int Status { get; init; }

    /// <summary>The time of the decision, by the server's clock.</summary>
    public required long Time { get; init; }

    /// <summary>The time from which its grants count.</summary>
    public long At { get; init; }

    /// <summary>How many permits are in the reserve now.</summary>
    public long Reserved { get; init; }

    /// <summary>How long the owner before may still grant from its reserve, if it was not told yet that it is none any more.</summary>
    public TimeSpan HeldFor { get; init; }

    /// <summary>When the call was sent and its answer received, by the monotonic clock.</summary>
    public required (long Sent, long Received) Taken { get; init; }

    public string Epoch { get; init; } = "";

    /// <summary>All permits granted before these.</summary>
    public long Before { get; init; }

    /// <summary>True where the grant has become part of the last one.</summary>
    public bool IsAddedToLast { get; init; }

    /// <summary>Of each ticket the calls that were granted; of one whose name was granted before, the negative of that time.</summary>
    public long[] Granted { get; init; } = [];

    /// <summary>All permits that were granted by it.</summary>
    public long PermitsGranted(IReadOnlyList<Ticket> tickets)
    {
        var permits = 0L;
        for (var i = 0; i < tickets.Count; i++) permits += Math.Max(0, Granted[i]) * tickets[i].Permits;
        return permits;
    }

    /// <summary>For a new owner: all grants that count, and how many permits were granted before the first of them.</summary>
    public IReadOnlyList<(long At, long Permits)> Grants { get; init; } = [];

    /// <inheritdoc cref="Grants"/>
    public long BeforeGrants { get; init; }

    /// <summary>True where there may be earlier ones that count (<see cref="RedisGrantLogStore.WholeAsync"/>).</summary>
    public bool IsPartial { get; init; }
}
