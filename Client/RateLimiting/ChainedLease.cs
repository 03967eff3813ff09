using System.Threading.RateLimiting;

namespace Actors;

/// <summary>The leases of two limiters that both granted.</summary>
internal sealed class ChainedLease(RateLimitLease first, RateLimitLease second) : RateLimitLease, IRefundableLease
{
    public override bool IsAcquired => true;

    public override IEnumerable<string> MetadataNames => second.MetadataNames.Union(first.MetadataNames);

    /// <summary>Calls the next limiter if the previous one has granted; refunds the first lease if the next one does not grant.</summary>
    public static async ValueTask<RateLimitLease> ThenAsync(RateLimitLease first, Func<ValueTask<RateLimitLease>> next)
    {
        if (!first.IsAcquired) return first;
        try
        {
            return After(first, await next().ConfigureAwait(false));
        }
        catch
        {
            IRefundableLease.Undo(first);
            throw;
        }
    }

    /// <inheritdoc cref="ThenAsync"/>
    public static RateLimitLease Then(RateLimitLease first, Func<RateLimitLease> next)
    {
        if (!first.IsAcquired) return first;
        try
        {
            return After(first, next());
        }
        catch
        {
            IRefundableLease.Undo(first);
            throw;
        }
    }

    public override bool TryGetMetadata(string metadataName, out object? metadata)
    {
        if (metadataName != IRefundableLease.MetadataName)
            return second.TryGetMetadata(metadataName, out metadata) || first.TryGetMetadata(metadataName, out metadata);
        metadata = this;
        return true;
    }

    public void Refund()
    {
        IRefundableLease.Undo(second);
        IRefundableLease.Undo(first);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            second.Dispose();
            first.Dispose();
        }

        base.Dispose(disposing);
    }

    private static RateLimitLease After(RateLimitLease first, RateLimitLease second)
    {
        if (second.IsAcquired) return new ChainedLease(first, second);
        IRefundableLease.Undo(first);
        return second;
    }
}
