using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Actors.Bench.App;

/// <summary>The public client in a host, as a customer's app has it: default options, found by the configuration.</summary>
internal sealed class AppClient : IAsyncDisposable
{
    private readonly IHost _host;

    private AppClient(IHost host) => _host = host;

    public ActorsClient Actors => _host.Services.GetRequiredService<ActorsClient>();

    public static async Task<AppClient> ConnectAsync()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddEnvironmentVariables();
        ToStandardError(builder.Logging);
        builder.AddActorsClient();
        var host = builder.Build();
        await host.StartAsync();
        return new AppClient(host);
    }

    private static readonly TimeSpan DrainLimit = TimeSpan.FromMinutes(2);

    /// <summary>Completes when the silo has nothing left to flush, which would run beside the turns.</summary>
    /// <exception cref="OperationCanceledException">Rows are still not flushed after two minutes.</exception>
    public async Task DrainedAsync()
    {
        using var limit = new CancellationTokenSource(DrainLimit);
        while ((await Actors.Cluster.GetStatusAsync(limit.Token)).Silos.Any(silo => silo.WriteBehind.UnflushedRows > 0))
            await Task.Delay(50, limit.Token);
    }

    /// <summary>How long the oldest row has waited for the flush.</summary>
    public async Task<TimeSpan> OldestUnflushedAsync() =>
        (await Actors.Cluster.GetStatusAsync()).Silos.Max(silo => silo.WriteBehind.OldestUnflushed);

    /// <summary>The standard output carries the answers to commands.</summary>
    public static void ToStandardError(ILoggingBuilder logging) => logging.ClearProviders()
        .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace).SetMinimumLevel(LogLevel.Warning);

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }
}
