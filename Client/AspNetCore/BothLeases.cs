using System.Threading.RateLimiting;

namespace Actors;

/// <summary>The lease of the app's global limiter together with ours.</summary>
internal sealed class BothLeases(RateLimitLease first, RateLimitLease second) : RateLimitLease
{
    public override bool IsAcquired => true;

    public override IEnumerable<string> MetadataNames => first.MetadataNames.Union(second.MetadataNames);

    public override bool TryGetMetadata(string metadataName, out object? metadata) =>
        second.TryGetMetadata(metadataName, out metadata) || first.TryGetMetadata(metadataName, out metadata);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            second.Dispose();
            first.Dispose();
        }

        base.Dispose(disposing);
    }
}
