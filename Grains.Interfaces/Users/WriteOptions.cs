namespace Actors;

/// <summary>How a write is to be made. Without options: <see cref="Durability.Journal"/>, no condition, no request id.</summary>
[GenerateSerializer, Immutable, Alias("Actors.WriteOptions")]
public sealed record WriteOptions
{
    /// <summary>The options used where none are given.</summary>
    public static WriteOptions Default { get; } = new();

    /// <summary>What must have been reached before the write is acknowledged. Default: <see cref="Durability.Journal"/>.</summary>
    [Id(0)] public Durability Durability { get; init; } = Durability.Journal;

    /// <summary>
    /// The version the user must have now, else the write is refused with <see cref="VersionConflictException"/>; 0 says
    /// that there must be no such user. Null (the default): any.
    /// </summary>
    [Id(1)] public long? ExpectedVersion { get; init; }

    /// <summary>
    /// Names this write, so that repeating it is safe: a write with a request id that was accepted already returns the
    /// first receipt and changes nothing. At most <see cref="UserLimits.MaxRequestIdBytes"/> bytes; remembered for the
    /// last <see cref="UserLimits.RememberedRequests"/> such writes of the user, over fail-over and restarts, for up to
    /// <see cref="UserLimits.RequestIdMemory"/>.
    /// </summary>
    [Id(2)] public string? RequestId { get; init; }
}
