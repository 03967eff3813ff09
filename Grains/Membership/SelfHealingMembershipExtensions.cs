using Actors.Redis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Clustering.Redis;
using Orleans.Configuration;
using StackExchange.Redis;

namespace Actors.Membership;

/// <summary>Lets the membership of a cluster survive the loss of the data in its Redis.</summary>
public static class SelfHealingMembershipExtensions
{
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Puts a <see cref="SelfHealingMembershipTable"/> before the table added by <c>UseRedisClustering</c>; both share one
    /// connection. Call it after that method and after <c>AddActors</c>.
    /// </summary>
    /// <param name="silo">The silo.</param>
    /// <param name="redis">The Redis of the membership table.</param>
    /// <param name="grace">
    /// How long a silo that finds no cluster waits for a live one to restore the table. Default: 3 s. Zero if the Redis belongs
    /// to this process, so that no other cluster can exist.
    /// </param>
    public static ISiloBuilder UseSelfHealingMembership(this ISiloBuilder silo, ConfigurationOptions redis, TimeSpan? grace = null)
    {
        var services = silo.Services;
        var inner = services.Last(service => service.ServiceType == typeof(IMembershipTable));
        var makeInner = inner.ImplementationFactory ?? throw new InvalidOperationException("UseRedisClustering must come first.");
        services.Remove(inner);

        services.AddSingleton(provider => new MembershipConnection(
            MembershipConnection.Configure(redis, provider.GetRequiredService<IOptions<ClusterOptions>>().Value.ServiceId),
            provider.GetRequiredService<ILogger<MembershipConnection>>()));
        services.AddOptions<RedisClusteringOptions>().Configure<MembershipConnection>((options, connection) =>
        {
            options.ConfigurationOptions = redis;
            options.CreateMultiplexer = async _ => (await connection.OpenAsync(), IsShared: true);
        });
        services.AddSingleton(provider => new RawMembershipTable(
            provider.GetRequiredService<MembershipConnection>(),
            provider.GetRequiredService<IOptions<RedisClusteringOptions>>().Value
                .CreateRedisKey(provider.GetRequiredService<IOptions<ClusterOptions>>().Value)));
        services.AddSingleton(provider => new MembershipArrival(
            provider.GetRequiredService<RawMembershipTable>(),
            grace ?? MembershipArrival.DefaultGrace,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<MembershipArrival>>()));
        services.AddSingleton(provider => new StaleSuspicionFilter(
            address => AnswersAsync(provider, address),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<StaleSuspicionFilter>>()));
        services.AddSingleton(provider => new SelfHealingMembershipTable(
            (IMembershipTable)makeInner(provider),
            provider.GetRequiredService<RawMembershipTable>(),
            provider.GetRequiredService<MembershipArrival>(),
            provider.GetRequiredService<StaleSuspicionFilter>(),
            provider.GetRequiredService<ILocalSiloDetails>().SiloAddress,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<SelfHealingMembershipTable>>()));
        services.AddSingleton(provider => new OutageMembershipTable(
            provider.GetRequiredService<SelfHealingMembershipTable>(),
            provider.GetRequiredService<ILocalSiloDetails>().SiloAddress,
            () => provider.GetRequiredService<IClusterMembershipService>().CurrentSnapshot,
            provider.GetRequiredService<ClusterClock>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<OutageMembershipTable>>(),
            provider.GetService<IHostApplicationLifetime>()?.ApplicationStopping ?? CancellationToken.None));
        services.AddSingleton<IMembershipTable>(provider => new ClusterTimeMembershipTable(
            provider.GetRequiredService<OutageMembershipTable>(),
            provider.GetRequiredService<ILocalSiloDetails>().SiloAddress,
            provider.GetRequiredService<ClusterClock>()));
        services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>, MembershipKeeper>();
        return silo;
    }

    // Resolved when needed: the client needs a running silo, which needs its membership table.
    private static async Task<bool> AnswersAsync(IServiceProvider provider, SiloAddress silo)
    {
        try
        {
            await provider.GetRequiredService<MembershipClient>().Of(silo).PingAsync().WaitAsync(AnswerLimit);
            return true;
        }
        catch (Exception)
        {
            // Whatever the reason, the silo did not answer, so the vote stands.
            return false;
        }
    }
}
