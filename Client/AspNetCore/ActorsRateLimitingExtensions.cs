using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>Limits the requests of an ASP.NET Core app by the cluster, through the framework's own middleware.</summary>
public static class ActorsRateLimitingExtensions
{
    /// <summary>
    /// Makes <c>app.UseRateLimiter()</c> use the cluster. Endpoints name policies as usual: by <c>RequireRateLimiting</c>,
    /// <c>[EnableRateLimiting]</c> and <c>[DisableRateLimiting]</c>. Requires
    /// <see cref="ActorsClientHostingExtensions.AddActorsClient{TBuilder}(TBuilder, Action{ActorsClientOptions}?)"/>.
    /// </summary>
    /// <remarks>
    /// A global limiter, policies and an OnRejected that the app passes to <c>AddRateLimiter</c> still apply: its global limiter runs
    /// first, and its OnRejected runs after status and headers are set. Has no effect if the app passes options to
    /// <c>UseRateLimiter</c> itself. A policy that the silos do not know is logged at the start and on its requests, which are answered
    /// with 503.
    /// </remarks>
    public static IServiceCollection AddActorsRateLimiting(this IServiceCollection services, Action<ActorsRateLimitingOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (services.All(service => service.ImplementationType != typeof(RateLimiterSetup)))
        {
            services.AddRateLimiter(_ => { });
            services.AddSingleton<IPostConfigureOptions<RateLimiterOptions>, RateLimiterSetup>();
            services.TryAddSingleton<PolicyProblems>();
            services.AddHostedService<PolicyCheck>();
            services.TryAddSingleton<IValidateOptions<ActorsRateLimitingOptions>, ActorsRateLimitingOptionsValidator>();
            services.AddOptions<ActorsRateLimitingOptions>().ValidateOnStart().PostConfigure(options =>
            {
                if (options.Sources.Count == 0) options.ClientIdFromAddress();
                if (options.DefaultPolicy is { } policy && !options.Policies.ContainsKey(policy)) options.AddPolicy(policy);
            });
        }

        if (configure is not null) services.Configure(configure);
        return services;
    }

    /// <summary>Sets how many permits each request to these endpoints takes, all or none.</summary>
    /// <param name="builder">The endpoints.</param>
    /// <param name="permits">1 to the limit of the policy.</param>
    public static TBuilder WithRateLimitPermits<TBuilder>(this TBuilder builder, int permits)
        where TBuilder : IEndpointConventionBuilder =>
        builder.WithMetadata(new RateLimitPermitsAttribute(permits));
}
