using System.Threading.RateLimiting;

namespace Actors;

/// <summary>A lease whose permits can be given back if the work they were acquired for is not done.</summary>
internal interface IRefundableLease
{
    /// <summary>The metadata by which it is found, also inside of a lease that is made of several. Not listed.</summary>
    const string MetadataName = "ACTORS_REFUNDABLE";

    /// <summary>Gives the permits back, once.</summary>
    void Refund();

    /// <summary>Disposes of a lease that was acquired in vain.</summary>
    static void Undo(RateLimitLease lease)
    {
        if (lease.TryGetMetadata(MetadataName, out var found) && found is IRefundableLease refundable) refundable.Refund();
        lease.Dispose();
    }
}
