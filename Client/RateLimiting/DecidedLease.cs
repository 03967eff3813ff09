using System.Threading.RateLimiting;

namespace Actors;

/// <summary>A lease that the cluster decided.</summary>
internal sealed class DecidedLease(RateLimitDecision decision, LeaseSource source, string clientId, RateLimitRequest request)
    : RateLimitLease, IRefundableLease
{
    private static readonly string[] Names =
    [
        RateLimitMetadata.DecisionName, RateLimitMetadata.PolicyName, RateLimitMetadata.LimitName, RateLimitMetadata.RemainingName,
        RateLimitMetadata.ResetAfterName, RateLimitMetadata.SourceName,
    ];

    private static readonly string[] NamesOfDenied = [.. Names, MetadataName.RetryAfter.Name, MetadataName.ReasonPhrase.Name];

    // 0 until refunded; only the caller that sets it to 1 refunds.
    private int _isGivenBack;

    public override bool IsAcquired => decision.IsAllowed;

    public override IEnumerable<string> MetadataNames => decision.IsAllowed ? Names : NamesOfDenied;

    public override bool TryGetMetadata(string metadataName, out object? metadata)
    {
        metadata = metadataName switch
        {
            RateLimitMetadata.DecisionName => decision,
            RateLimitMetadata.PolicyName => decision.Policy,
            RateLimitMetadata.LimitName => decision.Limit,
            RateLimitMetadata.RemainingName => decision.Remaining,
            RateLimitMetadata.ResetAfterName => decision.ResetAfter,
            RateLimitMetadata.SourceName => decision.Source,
            IRefundableLease.MetadataName => this,
            _ when decision.IsAllowed => null,
            _ when metadataName == MetadataName.RetryAfter.Name => decision.RetryAfter,
            _ when metadataName == MetadataName.ReasonPhrase.Name => $"The limit of policy '{decision.Policy}', {decision.Window}, is reached.",
            _ => null,
        };
        return metadata is not null;
    }

    public void Refund()
    {
        if (decision.IsAllowed && Interlocked.Exchange(ref _isGivenBack, 1) == 0) source.GiveBack(clientId, request, decision);
    }
}
