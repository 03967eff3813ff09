using System.Net;
using Actors.Fixtures;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;

namespace Actors.Bench.App;

/// <summary>The process with the floor's silo: Orleans alone, with one empty grain.</summary>
internal static class FloorSilo
{
    public const string Cluster = "bench-floor";

    public static async Task RunAsync()
    {
        var gatewayPort = AppSettings.FromEnvironment().FloorPort;
        var builder = Host.CreateEmptyApplicationBuilder(null);
        AppClient.ToStandardError(builder.Logging);

        // The watchdog reports that the CPU is busy, which is intended.
        builder.Logging.AddFilter("Orleans.Runtime.Watchdog", LogLevel.Error);
        builder.UseOrleans(silo =>
        {
            var siloPort = FreePorts.Next();
            silo.UseLocalhostClustering(siloPort, gatewayPort, new IPEndPoint(IPAddress.Loopback, siloPort), Cluster, Cluster);
        });
        using var host = builder.Build();
        await host.StartAsync();
        await AppCommands.AnswerAsync(command => throw new InvalidOperationException($"The floor has no verb {command.Verb}."));
        await host.StopAsync();
    }
}

/// <summary>A grain that does nothing.</summary>
[Alias("Actors.Bench.IEmptyGrain")]
internal interface IEmptyGrain : IGrainWithIntegerKey
{
    /// <summary>Returns the number.</summary>
    [Alias("Call")]
    Task<int> CallAsync(int number);
}

/// <summary>Re-entrant, so calls do not wait for each other.</summary>
[Reentrant]
internal sealed class EmptyGrain : Grain, IEmptyGrain
{
    public Task<int> CallAsync(int number) => Task.FromResult(number);
}
