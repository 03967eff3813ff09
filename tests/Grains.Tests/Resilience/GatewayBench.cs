using Actors.Core;
using Actors.Fixtures;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A gateway with its own server, which can be killed, and a connection that bypasses the circuit.</summary>
internal sealed class GatewayBench : IAsyncDisposable
{
    private readonly List<ConnectionMultiplexer> _admins = [];

    private GatewayBench(RedisServer server, BreakerOptions options, ILogger logger)
    {
        Server = server;
        Gateway = new RedisGateway(
            Options.Create(new RedisOptions { ConnectionString = server.ConnectionString, KeyPrefix = "test" }), Options.Create(options),
            TimeProvider.System, logger, new BackgroundLoops());
    }

    public RedisServer Server { get; }

    public RedisGateway Gateway { get; }

    public RedisCircuit Circuit => Gateway.Circuits[0];

    public bool IsClosed => Circuit.State == BreakerState.Closed;

    /// <summary>Opens and closes quickly, but never by mistake on a busy machine.</summary>
    public static BreakerOptions Quick() => new()
    {
        CallTimeout = TimeSpan.FromSeconds(5),
        SlowCallDuration = TimeSpan.FromSeconds(5),
        SilenceDuration = TimeSpan.FromSeconds(1),
        BreakDuration = TimeSpan.FromMilliseconds(200),
        MaxBreakDuration = TimeSpan.FromMilliseconds(400),
        ProbeInterval = TimeSpan.FromMilliseconds(20),
        ProbeTimeout = TimeSpan.FromSeconds(1),
        RampDuration = TimeSpan.FromMilliseconds(200),
    };

    public static Task<GatewayBench> StartAsync(BreakerOptions? options = null, params string[] arguments) =>
        StartAsync(NullLogger.Instance, options ?? Quick(), arguments);

    public static async Task<GatewayBench> StartAsync(ILogger logger, BreakerOptions options, params string[] arguments)
    {
        var bench = new GatewayBench(await RedisServer.StartNewAsync(true, arguments), options, logger);
        await Eventually.IsTrueAsync(async () => await bench.TryAsync() is null);
        return bench;
    }

    /// <summary>Writes, and returns the error, if any.</summary>
    public async Task<RedisUnavailableException?> TryAsync(RedisRole role = RedisRole.Cache)
    {
        try
        {
            await Gateway.EvaluateAsync(role, "return redis.call('SET', KEYS[1], ARGV[1])", ["test:key"], ["value"]);
            return null;
        }
        catch (RedisUnavailableException error)
        {
            return error;
        }
    }

    /// <summary>Calls until the circuit is open; returns the errors of the admitted calls.</summary>
    public async Task<List<RedisUnavailableException>> OpenAsync()
    {
        var errors = new List<RedisUnavailableException>();
        await Eventually.IsTrueAsync(async () =>
        {
            var calls = Circuit.Calls;
            if (await TryAsync() is { } error && Circuit.Calls > calls) errors.Add(error);
            return Circuit.Breaks > 0;
        });
        return errors;
    }

    /// <summary>Makes no call until the circuit has closed by itself.</summary>
    public Task ClosedAsync() => Eventually.IsTrueAsync(() => Task.FromResult(IsClosed));

    /// <summary>A new administrative connection.</summary>
    public async Task<IDatabase> AdminAsync()
    {
        var configuration = ConfigurationOptions.Parse(Server.ConnectionString);
        (configuration.AllowAdmin, configuration.AsyncTimeout) = (true, 60_000);
        _admins.Add(await ConnectionMultiplexer.ConnectAsync(configuration));
        return _admins[^1].GetDatabase();
    }

    public async ValueTask DisposeAsync()
    {
        if (Server.IsRunning) Server.Signal(Signals.Continue);
        await Gateway.DisposeAsync();
        foreach (var admin in _admins) await admin.DisposeAsync();
        await Server.DisposeAsync();
    }
}
