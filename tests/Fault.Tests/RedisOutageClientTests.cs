using System.Globalization;
using System.Text.Json;
using Actors.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Actors.Fault.Tests;

/// <summary>Two silos whose Redis was killed after one use of the command line.</summary>
public sealed class SilosWithoutRedis : IAsyncLifetime
{
    private static readonly TimeSpan BreakLimit = TimeSpan.FromSeconds(30);

    public Deployment Deployment { get; private set; } = null!;

    /// <summary>The directory of the gateways that the command line remembers.</summary>
    public string StateDirectory => Path.Combine(Deployment.Directory, "state");

    public async ValueTask InitializeAsync()
    {
        Deployment = await Deployment.StartAsync(silos: 2);
        Deployment.Environment["XDG_STATE_HOME"] = StateDirectory;
        var set = await Deployment.CliAsync("user", "set", "ada", "--name", "Ada", "--durability", "database");
        Assert.True(set.ExitCode == 0, $"{set}\n{Deployment.Describe()}");
        await Deployment.Redis.KillAsync();
        await Eventually.IsTrueAsync(
            async () => (await Deployment.Silo(0).GetAsync("/metrics")).Contains("actors_redis_breaker_state{", StringComparison.Ordinal)
                && (await Deployment.Silo(0).GetAsync("/health/ready")).Contains("Degraded", StringComparison.Ordinal),
            BreakLimit);
    }

    public async ValueTask DisposeAsync() => await Deployment.DisposeAsync();
}

/// <summary>Operators and apps reach the silos while Redis, which lists them, is down.</summary>
public sealed class RedisOutageClientTests(SilosWithoutRedis silos) : IClassFixture<SilosWithoutRedis>
{
    private const int Unavailable = 4;

    private Deployment Deployment => silos.Deployment;

    private string Gateway => $"127.0.0.1:{Deployment.Silo(0).GatewayPort}";

    [Fact]
    public async Task Commands_use_the_gateways_last_listed_by_Redis()
    {
        (string Command, string Shown)[] commands =
        [
            ("breaker list", "open"), ("breaker health", "127.0.0.1"), ("cluster status", "2 silos"), ("writebehind status", "buffering"),
            ("user get ada", "Ada"), ("limit peek ada", "remaining"),
        ];
        await Task.WhenAll(commands.Select(async each =>
        {
            var run = await Deployment.CliAsync(each.Command.Split(' '));
            Assert.True(run.ExitCode == 0, $"{each.Command}: {run}\n{Deployment.Describe()}");
            Assert.Contains(each.Shown, run.Output, StringComparison.Ordinal);
            Assert.StartsWith($"warning: Redis at {Deployment.Redis.ConnectionString.Split(',')[0]}", run.Error, StringComparison.Ordinal);
            Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }));
    }

    [Fact]
    public async Task Named_gateway_needs_no_Redis_and_dead_gateways_do_not_delay_the_command()
    {
        // One gateway refuses and one drops packets (TEST-NET-1), before the one that answers.
        string[] named = ["--gateway", "127.0.0.1:1", "--gateway", "192.0.2.1:30000", "--gateway", $"localhost:{Deployment.Silo(0).GatewayPort}"];
        var began = TimeProvider.System.GetTimestamp();
        var run = await WithoutMemoryAsync(["user", "get", "ada", .. named]);
        var elapsed = TimeProvider.System.GetElapsedTime(began);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("Ada", run.Output, StringComparison.Ordinal);
        Assert.Equal("", run.Error);
        Assert.InRange(elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Gateways_can_come_from_the_environment_and_a_frozen_silo_hides_no_other(int frozen)
    {
        var environment = Forgetful();
        environment["Actors__Client__Gateways"] = $"127.0.0.1:1,127.0.0.1:{Deployment.Silo(1 - frozen).GatewayPort}";
        Deployment.Silo(frozen).Signal(Signals.Stop);
        try
        {
            var run = await ProgramRun.RunAsync(DotnetProgram.Cli, Deployment.Directory, environment, "breaker", "list", "--json");
            Assert.True(run.ExitCode == 0, run.ToString());
            var reports = JsonDocument.Parse(run.Output).RootElement.GetProperty("silos").EnumerateArray().ToArray();
            Assert.Equal([false, true], reports.Select(silo => silo.GetProperty("isResponding").GetBoolean()).Order());
        }
        finally
        {
            Deployment.Silo(frozen).Signal(Signals.Continue);
        }
    }

    [Fact]
    public async Task Error_without_a_gateway_suggests_the_gateway_option()
    {
        var run = await WithoutMemoryAsync("breaker", "list");
        Assert.Equal(Unavailable, run.ExitCode);
        Assert.Contains("cannot be reached", run.Error, StringComparison.Ordinal);
        Assert.Contains("--gateway host:port", run.Error, StringComparison.Ordinal);

        var dead = await WithoutMemoryAsync("breaker", "list", "--redis", Deployment.Redis.ConnectionString, "--gateway", "127.0.0.1:1");
        Assert.Equal(Unavailable, dead.ExitCode);
        Assert.Contains("None of the other known gateways answers: 127.0.0.1:1", dead.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task App_started_in_an_outage_connects_through_a_gateway()
    {
        using var app = App(client =>
        {
            client.Redis = Deployment.Redis.ConnectionString;
            client.Gateways = ["127.0.0.1:1", Gateway];
        });
        await app.StartAsync();
        var client = app.Services.GetRequiredService<ActorsClient>();
        Assert.Equal("Ada", (await client.User("ada").GetAsync())!.DisplayName);
        await client.User("grace").UpdateAsync(new() { DisplayName = "Grace" });
        Assert.Equal("Grace", (await client.User("grace").GetAsync())!.DisplayName);
        await app.StopAsync();
    }

    [Fact]
    public async Task Gateway_behind_a_forwarded_port_is_reported_as_such()
    {
        await using var forwarded = new TcpProxy(Deployment.Silo(0).GatewayPort);
        var run = await WithoutMemoryAsync("user", "get", "ada", "--gateway", forwarded.Address);
        Assert.Equal(Unavailable, run.ExitCode);
        Assert.Contains("the address it advertises", run.Error, StringComparison.Ordinal);
    }

    private static IHost App(Action<ActorsClientOptions> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Logging.ClearProviders();
        builder.AddActorsClient(client =>
        {
            client.RememberGateways = false;
            configure(client);
        });
        return builder.Build();
    }

    private Task<ProgramRun> WithoutMemoryAsync(params string[] arguments) =>
        ProgramRun.RunAsync(DotnetProgram.Cli, Deployment.Directory, Forgetful(), arguments);

    private Dictionary<string, string> Forgetful() =>
        new(Deployment.Environment) { ["Actors__Client__RememberGateways"] = string.Create(CultureInfo.InvariantCulture, $"{false}") };
}
