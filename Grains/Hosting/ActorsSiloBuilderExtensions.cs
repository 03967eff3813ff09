using Actors.Core;
using Actors.Membership;
using Actors.RateLimiting;
using Actors.Redis;
using Actors.Users;
using Actors.WriteBehind;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Persistence;
using Orleans.Runtime.GrainDirectory;
using Orleans.Runtime.Placement;

namespace Actors.Hosting;

/// <summary>Adds the actors to a silo.</summary>
public static class ActorsSiloBuilderExtensions
{
    /// <summary>
    /// Adds the grains and the services they need. The silo must provide an <see cref="IRowStore"/> (the database) and
    /// configured <see cref="RedisOptions"/>. The options with sections have defaults: <see cref="WriteBehindOptions"/>,
    /// <see cref="CacheOptions"/>, <see cref="UserOptions"/>, <see cref="BreakerOptions"/> and <see cref="RateLimitOptions"/>.
    /// </summary>
    public static ISiloBuilder AddActors(this ISiloBuilder silo)
    {
        var services = silo.Services;
        services.TryAddSingleton(TimeProvider.System);
        services.AddMetrics();

        // A logger that throws, for instance because its disk is full, must not end a background loop.
        services.AddSingleton(typeof(ILogger<>), typeof(SafeLogger<>));
        services.AddSingleton<IActivationWorkingSetObserver, HeldCalls>();
        services.AddSingleton<ErrorBoundary>();
        services.AddSingleton<IIncomingGrainCallFilter>(provider => provider.GetRequiredService<ErrorBoundary>());
        services.AddSingleton<CallTargets>();
        services.AddSingleton<CallCounters>();
        services.AddSingleton<CallDispatcher>();
        silo.AddGrainService<CallService>();
        services.AddPlacementDirector<HomePlacement, HomePlacement.Director>();
        services.AddSingleton<IPlacementStrategyResolver, HomePlacement.Resolver>();
        services.AddSingleton<HomeView>();
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, HomeMoves>();
        services.AddSingleton<BackgroundLoops>();
        services.AddOptions<WriteBehindOptions>()
            .BindConfiguration(WriteBehindOptions.Section, Strict).ValidateRanges(WriteBehindOptions.Section).ValidateOnStart();
        services.AddOptions<CacheOptions>()
            .BindConfiguration(CacheOptions.Section, Strict).ValidateRanges(CacheOptions.Section).ValidateOnStart();

        services.AddOptions<UserOptions>()
            .BindConfiguration(UserOptions.Section, Strict).ValidateRanges(UserOptions.Section).ValidateOnStart();
        services.AddSingleton(provider => new HeapPressure(
            provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<HeapPressure>>()));
        services.AddSingleton<ActiveUsers>();
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(provider => provider.GetRequiredService<ActiveUsers>());
        services.Configure<GrainDirectoryOptions>(directory => (directory.CachingStrategy, directory.CacheSize) =
            (GrainDirectoryOptions.CachingStrategyType.Custom, DirectoryCacheFor(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)));
        services.AddSingleton<IGrainDirectoryCache>(provider => DirectoryCache.Create(
            provider,
            provider.GetRequiredService<IOptions<GrainDirectoryOptions>>().Value.CacheSize,
            provider.GetRequiredService<IClusterMembershipService>()));

        services.AddSingleton<IGrainDirectoryResolver, StatelessWorkerDirectory>();

        services.AddOptions<BreakerOptions>()
            .BindConfiguration(BreakerOptions.Section, Strict).ValidateRanges(BreakerOptions.Section)
            .Validate(
                breaker => breaker.RequiredProbes <= breaker.Probes,
                $"{BreakerOptions.Section}:{nameof(BreakerOptions.RequiredProbes)} must not be more than {nameof(BreakerOptions.Probes)}.")
            .Validate(
                breaker => breaker.BreakDuration <= breaker.MaxBreakDuration,
                $"{BreakerOptions.Section}:{nameof(BreakerOptions.BreakDuration)} must not be more than {nameof(BreakerOptions.MaxBreakDuration)}.")
            .ValidateOnStart();

        services.AddOptions<RedisOptions>().Configure<IOptions<WriteBehindOptions>>(
            (redis, writeBehind) => redis.JournalReplicas = writeBehind.Value.JournalReplicas);
        services.AddSingleton<RedisGateway>();
        services.AddSingleton<ClusterClock>();
        services.AddSingleton<ClockWatch>();
        services.AddSingleton(provider => new ClockStatus(provider.GetRequiredService<ClockWatch>()));
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(provider => provider.GetRequiredService<ClockWatch>());
        services.AddSingleton<RedisBreakerClient>();
        silo.AddGrainService<RedisBreakerService>();
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, CrashedSilos>();
        services.Configure<ClusterMembershipOptions>(membership =>
        {
            membership.IAmAliveTablePublishTimeout = CrashedSilos.AliveEvery;

            // The option compares clocks of two machines. AbandonedJoins works without them.
            membership.EvictWhenMaxJoinAttemptTimeExceeded = false;
        });
        services.AddSingleton<IPartitionedPeers, PartitionedPeers>();
        services.AddSingleton<PartitionedSilos>();
        services.AddSingleton<PartitionClient>();
        silo.AddGrainService<PartitionService>();
        services.AddSingleton<MembershipProof>();
        services.AddSingleton(provider => new MembershipLease(
            provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<MembershipProof>().ProveAsync));
        services.AddSingleton<SiloDeaths>();
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(provider => provider.GetRequiredService<SiloDeaths>());
        services.AddSingleton<KnownSilos>();
        services.AddSingleton(provider => new ExpiringLeases(
            () => provider.GetRequiredService<KnownSilos>().ByName, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, MembershipLeaseKeeper>();
        services.AddSingleton<MembershipClient>();
        silo.AddGrainService<MembershipService>();
        services.AddSingleton<RowCache>();
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, PartitionMonitor>();
        services.AddSingleton<ReadCounters>();
        services.AddSingleton<WriteBehindCounters>();
        services.AddSingleton<WriteBehindTable>();
        services.AddSingleton<JournalSize>();
        services.AddSingleton(provider => new WriteBehindView(
            provider.GetRequiredService<WriteBehindTable>(), provider.GetRequiredService<IOptions<WriteBehindOptions>>().Value));
        services.AddSingleton<ParkedReplay>();
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, WriteBehindLifecycle>();
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, JournalRecovery>();

        AddRateLimiting(silo);
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, SiloInstruments>();
        services.AddSingleton<SiloStatusClient>();
        silo.AddGrainService<SiloStatusService>();
        return silo;
    }

    private static void AddRateLimiting(ISiloBuilder silo)
    {
        var services = silo.Services;
        services.AddOptions<RateLimitOptions>()
            .BindConfiguration(RateLimitOptions.Section, Strict).ValidateRanges(RateLimitOptions.Section).ValidateOnStart();
        services.AddSingleton<IValidateOptions<RateLimitOptions>, ConfiguredPolicies.Validator>();
        services.AddSingleton<ConfiguredPolicies>();
        services.AddSingleton<LimiterCounters>();
        services.AddSingleton<LimiterRoom>();
        services.AddSingleton(provider => new HandoffStore(
            provider.GetRequiredService<IGrainFactory>(),
            provider.GetRequiredService<LimiterCounters>(),
            provider.GetRequiredService<RedisGrantLogStore>(),
            () => OtherSilos(provider),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<HandoffStore>>()));
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, LimiterLifecycle>();
        services.AddSingleton(provider => new RedisGrantLogStore(
            provider.GetRequiredService<RedisGateway>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<LimiterCounters>(),
            provider.GetService<IHostApplicationLifetime>()?.ApplicationStopping ?? CancellationToken.None));

        // Uses the gateway's connection, which finds the primary again after a failover.
        silo.AddRedisGrainStorage(OwnPolicies.Storage, (OptionsBuilder<RedisStorageOptions> storage) =>
            storage.Configure<IOptions<RedisOptions>, RedisGateway>(
            (options, redis, gateway) =>
            {
                (options.ConfigurationOptions, options.DeleteStateOnClear) = (redis.Value.For(RedisRole.Limits), true);
                options.CreateMultiplexer = async _ => (await gateway.OpenAsync(RedisRole.Limits), IsShared: true);
            }));
    }

    private static List<SiloAddress> OtherSilos(IServiceProvider provider)
    {
        var self = provider.GetRequiredService<ILocalSiloDetails>().SiloAddress;
        return [.. provider.GetRequiredService<IClusterMembershipService>().CurrentSnapshot.Members.Values
            .Where(member => member.Status == SiloStatus.Active && !member.SiloAddress.Equals(self))
            .Select(member => member.SiloAddress)];
    }

    // The cache for grains on other silos. By default Orleans keeps a million entries of about 300 bytes, whatever the memory
    // size.
    private static int DirectoryCacheFor(long memory) =>
        memory <= 0 ? GrainDirectoryOptions.DEFAULT_CACHE_SIZE : (int)Math.Clamp(memory / 32 / 300, 10_000, GrainDirectoryOptions.DEFAULT_CACHE_SIZE);

    // A misspelt key must be an error; otherwise the default would apply silently.
    private static void Strict(BinderOptions binder) => binder.ErrorOnUnknownConfiguration = true;
}
