using System.Globalization;
using System.Net;
using Actors.Fixtures;
using Actors.Hosting;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Persistence;
using StackExchange.Redis;

namespace Actors.Bench;

/// <summary>
/// A silo in this process, called through its hosted client. A call costs as much as between two grains, without a network. Our
/// contender and each peer that is a grain have a silo of their own.
/// </summary>
internal sealed class BenchSilo : IAsyncDisposable
{
    /// <summary>The name of the peer's storage provider.</summary>
    public const string Storage = "peer";

    private readonly IHost _host;

    private BenchSilo(IHost host) => _host = host;

    public IGrainFactory Grains => _host.Services.GetRequiredService<IGrainFactory>();

    public WriteBehindTable Table => _host.Services.GetRequiredService<WriteBehindTable>();

    /// <summary>A silo in its default configuration, on the servers of the case.</summary>
    public static Task<BenchSilo> StartOursAsync(
        BenchServers servers, string database, params KeyValuePair<string, string?>[] settings) => StartAsync(servers, settings, silo =>
    {
        silo.AddActors();
        silo.Services.AddSingleton<IRowStore>(_ => new PostgresRowStore(database));
        silo.Services.Configure<RedisOptions>(redis =>
        {
            redis.ConnectionString = servers.Redis;
            redis.KeyPrefix = $"{servers.KeyPrefix}-ours";
        });
    });

    /// <summary>A silo with only Orleans' own Redis grain storage.</summary>
    public static Task<BenchSilo> StartGrainStorageAsync(BenchServers servers) => StartAsync(servers, [], silo =>
    {
        silo.Configure<ClusterOptions>(cluster => cluster.ServiceId = $"{servers.KeyPrefix}-{Storage}");
        silo.AddRedisGrainStorage(
            Storage, (RedisStorageOptions options) => options.ConfigurationOptions = ConfigurationOptions.Parse(servers.Redis));
    });

    /// <summary>The settings of a rate limit policy with one window.</summary>
    public static KeyValuePair<string, string?>[] Policy(string name, RateLimitWindow window)
    {
        var section = $"Actors:RateLimits:Policies:{name}:Windows:0";
        return
        [
            new($"{section}:Limit", window.Limit.ToString(CultureInfo.InvariantCulture)),
            new($"{section}:Duration", window.Duration.ToString("c", CultureInfo.InvariantCulture)),
        ];
    }

    /// <summary>The statistics of its limiters.</summary>
    public async Task<RateLimitStatus> LimitsAsync() =>
        (await Grains.GetGrain<IClusterGrain>("cluster").GetStatusAsync()).Silos.Single().RateLimits;

    /// <summary>Deactivates all grains, so that memory does not grow between turns.</summary>
    public Task DeactivateAllAsync() => Grains.GetGrain<IManagementGrain>(0).ForceActivationCollection(TimeSpan.Zero);

    /// <summary>Completes when everything is in the database.</summary>
    public async Task DrainedAsync()
    {
        while (Table.Backlog.Rows > 0) await Task.Delay(20);
    }

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    private static async Task<BenchSilo> StartAsync(
        BenchServers servers, KeyValuePair<string, string?>[] settings, Action<ISiloBuilder> configure)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });

        // Allows trying silo options, e.g. Actors__WriteBehind__FlushInterval.
        builder.Configuration.AddInMemoryCollection(settings).AddEnvironmentVariables();
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace)
            .SetMinimumLevel(LogLevel.Warning)

            // The watchdog reports that the CPU is busy, which is intended.
            .AddFilter("Orleans.Runtime.Watchdog", LogLevel.Error);
        builder.UseOrleans(silo =>
        {
            var (siloPort, gatewayPort) = (FreePorts.Next(), FreePorts.Next());
            silo.UseLocalhostClustering(
                siloPort, gatewayPort, new IPEndPoint(IPAddress.Loopback, siloPort), servers.KeyPrefix, servers.KeyPrefix);
            configure(silo);
        });
        var host = builder.Build();
        await host.StartAsync();
        return new BenchSilo(host);
    }
}
