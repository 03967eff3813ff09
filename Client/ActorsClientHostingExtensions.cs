using Actors.Calls;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Clustering.Redis;
using Orleans.Configuration;
using Orleans.Messaging;
using Orleans.Serialization.Codecs;

namespace Actors;

/// <summary>Adds the client of an Actors cluster to a host.</summary>
public static class ActorsClientHostingExtensions
{
    /// <summary>
    /// Adds <see cref="ActorsClient"/>, which connects when the host starts. It finds the cluster by
    /// <see cref="ActorsClientOptions.Redis"/>, else by <c>ConnectionStrings:redis</c> of the configuration, each together with
    /// <see cref="ActorsClientOptions.Gateways"/>; else by these alone; else as the embedded silo on this machine.
    /// </summary>
    /// <remarks>
    /// The start of the host throws <see cref="ClusterNotFoundException"/> if none of these is set or found, and
    /// <see cref="ClusterUnreachableException"/> if the cluster does not answer within
    /// <see cref="ActorsClientOptions.ConnectTimeout"/>. Orleans logs only warnings, unless the app sets a level for it:
    /// <c>Logging:LogLevel:Orleans</c>.
    /// </remarks>
    public static TBuilder AddActorsClient<TBuilder>(this TBuilder builder, Action<ActorsClientOptions>? configure = null)
        where TBuilder : IHostApplicationBuilder
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (IsFirst(builder.Services, configure))
            builder.UseOrleansClient(Configure);
        return builder;
    }

    /// <inheritdoc cref="AddActorsClient{TBuilder}(TBuilder, Action{ActorsClientOptions}?)"/>
    public static IHostBuilder AddActorsClient(this IHostBuilder builder, Action<ActorsClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.ConfigureServices(services => services.AddActorsClient(configure));
    }

    /// <inheritdoc cref="AddActorsClient{TBuilder}(TBuilder, Action{ActorsClientOptions}?)"/>
    public static IServiceCollection AddActorsClient(this IServiceCollection services, Action<ActorsClientOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (IsFirst(services, configure))
            services.AddOrleansClient(Configure);
        return services;
    }

    /// <summary>Adds the options; returns true if the client itself must still be added.</summary>
    private static bool IsFirst(IServiceCollection services, Action<ActorsClientOptions>? configure)
    {
        var isFirst = services.All(service => service.ServiceType != typeof(ActorsClient));
        var options = services.AddOptions<ActorsClientOptions>();
        if (isFirst)
        {
            options.Configure<IServiceProvider>((client, provider) => Bind(client, provider.GetService<IConfiguration>()));
            options.ValidateOnStart();
            services.Configure<LoggerFilterOptions>(QuietOrleans);
            services.AddSingleton<IValidateOptions<ActorsClientOptions>, ActorsClientOptionsValidator>();
            services.AddSingleton(NewClient);
            services.AddSingleton(provider => ClusterLocation.Find(
                provider.GetRequiredService<IOptions<ActorsClientOptions>>().Value, provider.GetService<IConfiguration>()));
        }
        if (configure is not null)
            options.Configure(configure);
        return isFirst;
    }

    /// <summary>
    /// Orleans logs thirty lines at each start. The rule comes first, so that any rule of the app for "Orleans", or a longer category
    /// name, wins.
    /// </summary>
    private static void QuietOrleans(LoggerFilterOptions filters) => filters.Rules.Insert(0, new(null, "Orleans", LogLevel.Warning, null));

    private static void Bind(ActorsClientOptions client, IConfiguration? configuration)
    {
        if (configuration?.GetSection(ActorsClientOptions.SectionName) is not { } section) return;
        section.Bind(client);

        // The binder ignores a list in one value, as environment variables have it.
        if (section[nameof(client.Gateways)] is { Length: > 0 } gateways)
            client.Gateways = gateways.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
    }

    private static ActorsClient NewClient(IServiceProvider provider)
    {
        var cluster = provider.GetRequiredService<IClusterClient>();
        var (logger, connection) = (provider.GetService<ILogger<ActorsClient>>(), provider.GetService<ClusterConnection>());
        return CoalescingRuntime.Create(provider) is { } runtime
            ? new(cluster, runtime, provider) { Logger = logger, Connection = connection }
            : new(cluster) { Logger = logger, Connection = connection };
    }

    private static void Configure(IClientBuilder client)
    {
        client.UseRedisClustering(_ => { });
        UseGatewayFinder(client.Services);
        UseConnectionService(client.Services);
        client.UseConnectionRetryFilter<ConnectionAttempts>();
        client.AddActivityPropagation();
        client.Services.AddSingleton(provider => new LostCalls(
            cancellation => provider.GetRequiredService<IClusterClient>().GetGrain<IClusterGrain>("cluster").GetDeathsAsync(cancellation), TimeProvider.System));
        // Orleans would make one by reflection for each reference to a limiter.
        client.Services.AddSingleton<ArrayCopier<RateLimitRequest>>();
        client.Services.AddSingleton<ArrayCopier<UnusedGrant>>();
        client.AddOutgoingGrainCallFilter<ConnectionGate>();
        client.AddOutgoingGrainCallFilter<RetryFilter>();
        // Read when the client is built: the host may still add to its configuration until then.
        client.Services.AddSingleton<GatewayListConnection>();
        client.Services.AddOptions<RedisClusteringOptions>().Configure<ClusterLocation, GatewayListConnection>((redis, location, connection) =>
        {
            // Orleans requires options even if Redis is never used.
            redis.ConfigurationOptions = location.Redis ?? new();
            redis.CreateMultiplexer = async _ => (await connection.OpenAsync(), IsShared: true);
        });
        client.Services.AddOptions<ClusterOptions>().Configure<IOptions<ActorsClientOptions>>((cluster, options) =>
        {
            cluster.ClusterId = options.Value.ClusterId;
            cluster.ServiceId = options.Value.ServiceId;
        });
        client.Services.AddOptions<ClientMessagingOptions>().Configure<IOptions<ActorsClientOptions>>((messaging, options) =>
            messaging.ResponseTimeout = options.Value.ResponseTimeout);
        client.Services.Configure<GatewayOptions>(gateways => gateways.GatewayListRefreshPeriod = GatewayFinder.Refresh);
    }

    /// <summary>Replaces Orleans' gateway provider, which knows only Redis, by the finder, which wraps it.</summary>
    private static void UseGatewayFinder(IServiceCollection services)
    {
        var redis = services.Last(service => service.ServiceType == typeof(IGatewayListProvider));
        services.Remove(redis);
        services.AddSingleton<RememberedGateways>();
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<GatewayFinder>(
            provider, (IGatewayListProvider)ActivatorUtilities.CreateInstance(provider, redis.ImplementationType!)));
        services.AddSingleton<IGatewayListProvider>(provider => provider.GetRequiredService<GatewayFinder>());
    }

    /// <summary>Replaces the hosted service that starts Orleans' client.</summary>
    private static void UseConnectionService(IServiceCollection services)
    {
        var orleans = services.Last(service => service.ServiceType == typeof(IHostedService));
        services.Remove(orleans);
        services.AddSingleton<ClusterConnection>();
        services.AddSingleton<IHostedService, ConnectionService>();
    }
}
