using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>A limiter's request to its log in Redis: decide these calls, in this order.</summary>
internal sealed class DecideRequest
{
    public required RedisKey Log { get; init; }

    /// <summary>The key of the named grants; null if no ticket has a name.</summary>
    public RedisKey? Requests { get; init; }

    public required Windows Windows { get; init; }

    /// <summary>The owner's epoch; null to become the owner.</summary>
    public string? Epoch { get; init; }

    /// <summary>The time of the last grant, as the owner knows it.</summary>
    public long Newest { get; init; }

    /// <summary>All permits charged, as the owner knows it, including the reserve.</summary>
    public long Charged { get; init; }

    /// <summary>All permits granted.</summary>
    public long Granted { get; init; }

    /// <summary>The grants made from the reserve, which replace it; null if there is no reserve.</summary>
    public IReadOnlyList<(long At, long Before, long Permits)>? FromReserve { get; init; }

    /// <summary>The size of the next reserve, in permits.</summary>
    public long Reserve { get; init; }

    /// <summary>The earliest time that the server's clock can show.</summary>
    public long Earliest { get; init; }

    /// <summary>
    /// For each window the permits that count in it and until when that holds, as the owner knows it; zeros if unknown.
    /// </summary>
    public required (long Used, long Until)[] Usage { get; init; }

    /// <summary>True if the log holds many expired entries.</summary>
    public bool IsTrimming { get; init; }

    /// <summary>True if the log's TTL must be renewed.</summary>
    public bool IsRenewing { get; init; }

    /// <summary>True if the log is so long that close grants are merged.</summary>
    public bool IsDense { get; init; }

    public required IReadOnlyList<Ticket> Tickets { get; init; }
}
