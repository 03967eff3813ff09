using System.Threading.RateLimiting;

namespace Actors;

/// <summary>A lease that the cluster did not decide.</summary>
internal sealed class UndecidedLease : RateLimitLease
{
    private const string NoAnswer = "The rate limiter does not answer.";

    // The client probes continuously; when the cluster answers is unknown.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    private readonly string _reason;
    private readonly TimeSpan _retryAfter;

    private UndecidedLease(bool isAcquired, string reason, TimeSpan retryAfter) =>
        (IsAcquired, _reason, _retryAfter) = (isAcquired, reason, retryAfter);

    // Shared instances, because these leases hold nothing to refund.
    public static UndecidedLease Allowed { get; } = new(isAcquired: true, "", default);

    public static UndecidedLease Denied { get; } = new(isAcquired: false, NoAnswer, Soon);

    /// <summary>The lease if the policy cannot be applied as configured.</summary>
    public static UndecidedLease Misconfigured { get; } =
        new(isAcquired: false, "The limits of the endpoint are not configured.", TimeSpan.FromSeconds(10));

    /// <summary>The lease if the limiter was disposed while the caller waited.</summary>
    public static UndecidedLease Disposed { get; } = new(isAcquired: false, "The rate limiter was disposed of.", Soon);

    public override bool IsAcquired { get; }

    public override IEnumerable<string> MetadataNames => IsAcquired
        ? [RateLimitMetadata.IsUndecidedName]
        : [RateLimitMetadata.IsUndecidedName, MetadataName.RetryAfter.Name, MetadataName.ReasonPhrase.Name];

    /// <summary>The lease if there is no room for the call, here or in the cluster.</summary>
    public static UndecidedLease Overloaded(TimeSpan retryAfter) =>
        new(isAcquired: false, "The rate limiter is overloaded.", retryAfter > TimeSpan.Zero ? retryAfter : Soon);

    /// <summary>The lease if the client has used up the last known limits while its limiter does not answer.</summary>
    public static UndecidedLease OverFallback(TimeSpan retryAfter) => new(isAcquired: false, NoAnswer, retryAfter);

    public override bool TryGetMetadata(string metadataName, out object? metadata)
    {
        metadata = metadataName switch
        {
            RateLimitMetadata.IsUndecidedName => true,
            _ when IsAcquired => null,
            _ when metadataName == MetadataName.RetryAfter.Name => _retryAfter,
            _ when metadataName == MetadataName.ReasonPhrase.Name => _reason,
            _ => null,
        };
        return metadata is not null;
    }
}
