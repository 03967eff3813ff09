using System.Threading.RateLimiting;

namespace Actors;

/// <summary>A lease without metadata.</summary>
internal sealed class SimpleLease : RateLimitLease
{
    private SimpleLease(bool isAcquired) => IsAcquired = isAcquired;

    /// <summary>For a request that is not limited here.</summary>
    public static SimpleLease NotLimited { get; } = new(isAcquired: true);

    /// <summary>For an attempt without waiting, which always fails.</summary>
    public static SimpleLease NotYet { get; } = new(isAcquired: false);

    public override bool IsAcquired { get; }

    public override IEnumerable<string> MetadataNames => [];

    public override bool TryGetMetadata(string metadataName, out object? metadata)
    {
        metadata = null;
        return false;
    }
}
