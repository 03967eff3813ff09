namespace Actors;

/// <summary>The options of a write. Default: <see cref="Durability.Journal"/>, no condition, no request id.</summary>
[GenerateSerializer, Immutable, Alias("Actors.WriteOptions")]
public sealed record WriteOptions
{
    /// <summary>The options used by default.</summary>
    public static WriteOptions Default { get; } = new();

    /// <summary>The durability that must be reached before the write is acknowledged. Default: <see cref="Durability.Journal"/>.</summary>
    [Id(0)] public Durability Durability { get; init; } = Durability.Journal;

    /// <summary>
    /// The version the user must have now, or the write is refused with <see cref="VersionConflictException"/>; 0 requires that the
    /// user does not exist. Null (the default): any.
    /// </summary>
    [Id(1)] public long? ExpectedVersion { get; init; }

    /// <summary>
    /// An idempotency key that makes retries safe: a write whose key was accepted already returns the first receipt and changes
    /// nothing. At most <see cref="UserLimits.MaxRequestIdBytes"/> bytes. The last <see cref="UserLimits.RememberedRequests"/> keys of a
    /// user are remembered for up to <see cref="UserLimits.RequestIdMemory"/>, also over failover and restarts.
    /// </summary>
    [Id(2)] public string? RequestId { get; init; }
}
