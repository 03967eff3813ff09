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
/// A silo in this process, called through its hosted client, so that a call costs what it costs between two grains and
/// no network stands between caller and silo. Ours and the peer that is a grain as well have one each.
/// </summary>
internal sealed class BenchSilo : IAsyncDisposable
{
    /// <summary>The name of the peer's storage provider.</summary>
    public const string Storage = "peer";

    private readonly IHost _host;

    private BenchSilo(IHost host) => _host = host;

    public IGrainFactory Grains => _host.Services.GetRequiredService<IGrainFactory>();

    public WriteBehindTable Table => _host.Services.GetRequiredService<WriteBehindTable>();

    /// <summary>A silo as an operator runs it, over the servers of the case.</summary>
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

    /// <summary>A silo with nothing but Orleans' own Redis grain storage.</summary>
    public static Task<BenchSilo> StartGrainStorageAsync(BenchServers servers) => StartAsync(servers, [], silo =>
    {
        silo.Configure<ClusterOptions>(cluster => cluster.ServiceId = $"{servers.KeyPrefix}-{Storage}");
        silo.AddRedisGrainStorage(
            Storage, (RedisStorageOptions options) => options.ConfigurationOptions = ConfigurationOptions.Parse(servers.Redis));
    });

    /// <summary>The settings of a policy of limits with one window.</summary>
    public static KeyValuePair<string, string?>[] Policy(string name, RateLimitWindow window)
    {
        var section = $"Actors:RateLimits:Policies:{name}:Windows:0";
        return
        [
            new($"{section}:Limit", window.Limit.ToString(CultureInfo.InvariantCulture)),
            new($"{section}:Duration", window.Duration.ToString("c", CultureInfo.InvariantCulture)),
        ];
    }

    /// <summary>What its limiters did so far.</summary>
    public async Task<RateLimitStatus> LimitsAsync() =>
        (await Grains.GetGrain<IClusterGrain>("cluster").GetStatusAsync()).Silos.Single().RateLimits;

    /// <summary>Deactivates all grains, so that memory does not grow from turn to turn.</summary>
    public Task DeactivateAllAsync() => Grains.GetGrain<IManagementGrain>(0).ForceActivationCollection(TimeSpan.Zero);

    /// <summary>Returns once all is in the database.</summary>
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

        // To try options of the silo, e.g. Actors__WriteBehind__FlushInterval.
        builder.Configuration.AddInMemoryCollection(settings).AddEnvironmentVariables();
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace)
            .SetMinimumLevel(LogLevel.Warning)

            // It notes that the CPU is busy, which is the purpose.
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
