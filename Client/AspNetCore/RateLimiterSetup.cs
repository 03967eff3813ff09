using System.Threading.RateLimiting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>
/// Adds the cluster to the options of the standard middleware after the app has set them. The app's global limiter, policies and
/// OnRejected are kept.
/// </summary>
internal sealed class RateLimiterSetup(ActorsClient client, IOptions<ActorsRateLimitingOptions> options, PolicyProblems problems)
    : IPostConfigureOptions<RateLimiterOptions>
{
    public void PostConfigure(string? name, RateLimiterOptions limiter)
    {
        limiter.GlobalLimiter = new HttpRateLimiter(client, options.Value, problems, limiter.GlobalLimiter);

        // The middleware requires all policy names of endpoints to exist; the global limiter above applies the limits.
        foreach (var policy in options.Value.Policies.Keys) limiter.AddPolicy(policy, _ => RateLimitPartition.GetNoLimiter(0));

        var apps = limiter.OnRejected;
        limiter.OnRejected = (context, cancellationToken) => DeniedResponse.WriteAsync(context, apps, cancellationToken);
    }
}
