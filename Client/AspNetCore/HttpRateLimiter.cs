using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;

namespace Actors;

/// <summary>
/// The limiter that the rate limiting middleware calls for every request: first the app's own global limiter, if any, then the
/// cluster. Permits of one are refunded if a later one denies or fails, or if the caller gives up meanwhile.
/// </summary>
/// <remarks>
/// The middleware first tries without waiting, and only then waits. The first attempt always fails here without calling either: it
/// would block a thread, and the app's limiter would charge the request twice.
/// </remarks>
internal sealed class HttpRateLimiter(
    ActorsClient client, ActorsRateLimitingOptions options, PolicyProblems problems, PartitionedRateLimiter<HttpContext>? global)
    : PartitionedRateLimiter<HttpContext>
{
    private readonly LeaseSource _leases = new(client.RateLimitCalls, options.ToLimiterOptions());

    // Requests for one permit each; read only.
    private readonly Dictionary<string, RateLimitRequest> _policies = options.Policies.ToDictionary(
        policy => policy.Key, policy => new RateLimitRequest { Policy = policy.Key, MaxWait = policy.Value }, StringComparer.Ordinal);

    private readonly RateLimitRequest? _byAddress = options.AddressPolicy is { } policy ? new() { Policy = policy } : null;

    public override RateLimiterStatistics? GetStatistics(HttpContext resource) => global?.GetStatistics(resource) ?? _leases.Statistics;

    protected override RateLimitLease AttemptAcquireCore(HttpContext resource, int permitCount) => SimpleLease.NotYet;

    protected override async ValueTask<RateLimitLease> AcquireAsyncCore(HttpContext resource, int permitCount, CancellationToken cancellationToken)
    {
        if (global is null) return await AcquireHereAsync(resource, permitCount, cancellationToken).ConfigureAwait(false);

        var first = await global.AcquireAsync(resource, permitCount, cancellationToken).ConfigureAwait(false);
        return await ChainedLease.ThenAsync(first, () => AcquireHereAsync(resource, permitCount, cancellationToken)).ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _leases.Dispose();
            global?.Dispose();
        }

        base.Dispose(disposing);
    }

    protected override async ValueTask DisposeAsyncCore()
    {
        _leases.Dispose();
        if (global is not null) await global.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsyncCore().ConfigureAwait(false);
    }

    private async ValueTask<RateLimitLease> AcquireHereAsync(HttpContext context, int permitCount, CancellationToken cancellationToken)
    {
        if (RequestFor(context, permitCount) is not { } request || HttpClientId.Of(context, options) is not ({ } clientId, var isTrusted))
            return SimpleLease.NotLimited;
        if (isTrusted || _byAddress is null || options.AddressOf(context) is not { } address)
            return await AcquireAsync(context, clientId, request, cancellationToken).ConfigureAwait(false);

        var first = await AcquireAsync(context, address, _byAddress with { Permits = request.Permits }, cancellationToken).ConfigureAwait(false);
        return await ChainedLease.ThenAsync(first, () => AcquireAsync(context, clientId, request, cancellationToken)).ConfigureAwait(false);
    }

    private async ValueTask<RateLimitLease> AcquireAsync(
        HttpContext context, string clientId, RateLimitRequest request, CancellationToken cancellationToken)
    {
        RateLimitLease lease;
        try
        {
            lease = await _leases.AcquireAsync(clientId, request, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is InvalidRateLimitException or ArgumentOutOfRangeException)
        {
            // Not the caller's error: the silos do not know the policy, or the endpoint takes more permits than it allows.
            problems.Report(request.Policy, error);
            RateLimitClientInstruments.Undecided(RateLimitClientTelemetry.MisconfiguredDenied);
            return UndecidedLease.Misconfigured;
        }

        if (options.WritesHeaders && lease.TryGetMetadata(RateLimitMetadata.Decision, out var decision) && decision is not null)
            RateLimitHeaders.Write(context.Response.Headers, decision, options.ShowsShadowDenials);
        return lease;
    }

    /// <summary>The request for an endpoint; null if it names a policy of the app, or none and there is no default.</summary>
    private RateLimitRequest? RequestFor(HttpContext context, int permitCount)
    {
        var metadata = context.GetEndpoint()?.Metadata;
        var named = metadata?.GetMetadata<EnableRateLimitingAttribute>();
        var policy = named is null ? options.DefaultPolicy : named.PolicyName;
        if (policy is null || !_policies.TryGetValue(policy, out var request)) return null;

        var permits = permitCount * (metadata?.GetMetadata<RateLimitPermitsAttribute>()?.Permits ?? 1);
        return permits == 1 ? request : request with { Permits = permits };
    }
}
