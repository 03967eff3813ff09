using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>What a limiter asks of its log in Redis: to decide these calls, in this order.</summary>
internal sealed class LogQuestion
{
    public required RedisKey Log { get; init; }

    public required RedisKey Requests { get; init; }

    public required Windows Windows { get; init; }

    /// <summary>The owner's epoch; null to become the owner.</summary>
    public string? Epoch { get; init; }

    /// <summary>The time of the last grant, as the owner knows it.</summary>
    public long Newest { get; init; }

    /// <summary>All permits granted, as the owner knows it.</summary>
    public long Total { get; init; }

    /// <summary>What the server's clock shows at least.</summary>
    public long Earliest { get; init; }

    /// <summary>True where the log is so long that grants close together are made one.</summary>
    public bool IsDense { get; init; }

    public required IReadOnlyList<Ticket> Tickets { get; init; }
}

/// <summary>What Redis answered.</summary>
internal sealed class LogAnswer
{
    /// <summary>One of <see cref="GrantScripts"/>.</summary>
    public required int Status { get; init; }

    /// <summary>The time of the decision, by the server's clock.</summary>
    public required long Time { get; init; }

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
}
