using System.Threading.RateLimiting;

namespace Actors;

/// <summary>A lease that the cluster did not decide.</summary>
internal sealed class UndecidedLease : RateLimitLease
{
    // The cluster is asked again all the time; when it answers is not known.
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private UndecidedLease(bool isAcquired) => IsAcquired = isAcquired;

    // Shared: a lease holds nothing that would be given back.
    public static UndecidedLease Allowed { get; } = new(isAcquired: true);

    public static UndecidedLease Denied { get; } = new(isAcquired: false);

    public override bool IsAcquired { get; }

    public override IEnumerable<string> MetadataNames => IsAcquired
        ? [RateLimitMetadata.IsUndecidedName]
        : [RateLimitMetadata.IsUndecidedName, MetadataName.RetryAfter.Name, MetadataName.ReasonPhrase.Name];

    public override bool TryGetMetadata(string metadataName, out object? metadata)
    {
        metadata = metadataName switch
        {
            RateLimitMetadata.IsUndecidedName => true,
            _ when IsAcquired => null,
            _ when metadataName == MetadataName.RetryAfter.Name => RetryAfter,
            _ when metadataName == MetadataName.ReasonPhrase.Name => "The rate limiter does not answer.",
            _ => null,
        };
        return metadata is not null;
    }
}
