using Actors.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Actors.Fault.Tests;

/// <summary>Apps that start before their cluster.</summary>
public sealed class BackgroundConnectionTests
{
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task App_can_start_before_its_cluster()
    {
        await using var redis = await RedisServer.StartNewAsync();
        using var directory = new TemporaryDirectory("background");
        using var app = App(client => client.Redis = redis.ConnectionString);
        await app.StartAsync();
        var client = app.Services.GetRequiredService<ActorsClient>();
        var ada = client.User("ada");

        var error = await Assert.ThrowsAsync<ClusterUnreachableException>(
            () => ada.UpdateAsync(new() { DisplayName = "Ada" }));
        Assert.False(error.MayHaveTakenEffect);
        Assert.Contains("no silo of cluster 'actors' is active in it", error.Message, StringComparison.Ordinal);

        var environment = new Dictionary<string, string> { ["ConnectionStrings__redis"] = redis.ConnectionString, ["ConnectionStrings__postgres"] = "" };
        using var silo = await SiloProcess.StartAsync(directory.Path, environment);
        await Eventually.IsTrueAsync(
            async () =>
            {
                try
                {
                    return (await ada.UpdateAsync(new() { DisplayName = "Ada" })).Version > 0;
                }
                catch (ClusterUnreachableException)
                {
                    return false;
                }
            },
            ConnectLimit);

        // One reference was created before the connection, one after it.
        Assert.Equal("Ada", (await ada.GetAsync())!.DisplayName);
        Assert.Equal("Ada", (await client.User("ada").GetAsync())!.DisplayName);
        Assert.True((await client.RateLimiter("ada").AcquireAsync(new())).IsAllowed);
        await app.StopAsync();
    }

    [Fact]
    public async Task App_that_never_connected_stops_at_once()
    {
        using var app = App(client => client.Gateways = ["127.0.0.1:1"]);
        await app.StartAsync();
        await app.StopAsync().WaitAsync(TimeSpan.FromSeconds(10));
    }

    private static IHost App(Action<ActorsClientOptions> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Logging.ClearProviders();
        builder.AddActorsClient(client =>
        {
            (client.RememberGateways, client.ConnectInBackground) = (false, true);
            configure(client);
        });
        return builder.Build();
    }
}
