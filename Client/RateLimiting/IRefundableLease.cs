using System.Threading.RateLimiting;

namespace Actors;

/// <summary>A lease whose permits can be refunded if the work for which they were acquired is not done.</summary>
internal interface IRefundableLease
{
    /// <summary>The metadata by which it is found, also inside a combined lease. Not listed.</summary>
    const string MetadataName = "ACTORS_REFUNDABLE";

    /// <summary>Refunds the permits, once.</summary>
    void Refund();

    /// <summary>Refunds and disposes a lease that is not used.</summary>
    static void Undo(RateLimitLease lease)
    {
        if (lease.TryGetMetadata(MetadataName, out var found) && found is IRefundableLease refundable) refundable.Refund();
        lease.Dispose();
    }
}
