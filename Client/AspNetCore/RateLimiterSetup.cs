using System.Threading.RateLimiting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>
/// Puts the cluster into the options of the standard middleware once the app has set them, beside what it set: its global
/// limiter, its policies and its OnRejected stay.
/// </summary>
internal sealed class RateLimiterSetup(ActorsClient client, IOptions<ActorsRateLimitingOptions> options, PolicyProblems problems)
    : IPostConfigureOptions<RateLimiterOptions>
{
    public void PostConfigure(string? name, RateLimiterOptions limiter)
    {
        limiter.GlobalLimiter = new HttpRateLimiter(client, options.Value, problems, limiter.GlobalLimiter);

        // The middleware wants to know all names that endpoints have; what they are limited by is above.
        foreach (var policy in options.Value.Policies.Keys) limiter.AddPolicy(policy, _ => RateLimitPartition.GetNoLimiter(0));

        var apps = limiter.OnRejected;
        limiter.OnRejected = (context, cancellationToken) => DeniedResponse.WriteAsync(context, apps, cancellationToken);
    }
}
