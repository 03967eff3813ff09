using System.Globalization;
using System.Text.Json;
using Actors.Fixtures;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Actors.Fault.Tests;

/// <summary>Two silos whose Redis was killed after the command line had used it once.</summary>
public sealed class SilosWithoutRedis : IAsyncLifetime
{
    private static readonly TimeSpan BreakLimit = TimeSpan.FromSeconds(30);

    public Deployment Deployment { get; private set; } = null!;

    /// <summary>Where the command line keeps the gateways it saw.</summary>
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
    private const int Usage = 2;

    private Deployment Deployment => silos.Deployment;

    private string Gateway => $"127.0.0.1:{Deployment.Silo(0).GatewayPort}";

    [Theory]
    [InlineData("breaker list", "open")]
    [InlineData("breaker health", "127.0.0.1")]
    [InlineData("cluster status", "2 silos")]
    [InlineData("writebehind status", "buffering")]
    [InlineData("user get ada", "Ada")]
    [InlineData("limit peek ada", "remaining")]
    public async Task Commands_go_by_the_gateways_that_Redis_listed_last(string command, string shown)
    {
        var run = await Deployment.CliAsync(command.Split(' '));
        Assert.True(run.ExitCode == 0, $"{run}\n{Deployment.Describe()}");
        Assert.Contains(shown, run.Output, StringComparison.Ordinal);
        Assert.StartsWith($"warning: Redis at {Deployment.Redis.ConnectionString.Split(',')[0]}", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task A_gateway_that_is_named_needs_no_Redis_and_dead_ones_beside_it_do_not_stall_the_command()
    {
        // One that refuses and one that swallows packets (TEST-NET-1), before the one that answers.
        string[] named = ["--gateway", "127.0.0.1:1", "--gateway", "192.0.2.1:30000", "--gateway", $"localhost:{Deployment.Silo(0).GatewayPort}"];
        var began = TimeProvider.System.GetTimestamp();
        var run = await WithoutMemoryAsync(["user", "get", "ada", .. named]);
        var elapsed = TimeProvider.System.GetElapsedTime(began);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("Ada", run.Output, StringComparison.Ordinal);
        Assert.Equal("", run.Error);
        Assert.InRange(elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Gateways_come_from_the_environment_too_and_silos_that_are_frozen_are_named()
    {
        var environment = Forgetful();
        environment["Actors__Client__Gateways"] = $"127.0.0.1:1,{Gateway}";
        Deployment.Silo(1).Signal(Signals.Stop);
        try
        {
            var run = await ProgramRun.RunAsync(DotnetProgram.Cli, Deployment.Directory, environment, "breaker", "list", "--json");
            Assert.True(run.ExitCode == 0, run.ToString());
            var reports = JsonDocument.Parse(run.Output).RootElement.GetProperty("silos").EnumerateArray().ToArray();
            Assert.Equal([false, true], reports.Select(silo => silo.GetProperty("isResponding").GetBoolean()).Order());
        }
        finally
        {
            Deployment.Silo(1).Signal(Signals.Continue);
        }
    }

    [Fact]
    public async Task Without_a_gateway_the_error_says_that_one_can_be_named()
    {
        var run = await WithoutMemoryAsync("breaker", "list");
        Assert.Equal(Unavailable, run.ExitCode);
        Assert.Contains("cannot be reached", run.Error, StringComparison.Ordinal);
        Assert.Contains("--gateway host:port", run.Error, StringComparison.Ordinal);

        var dead = await WithoutMemoryAsync("breaker", "list", "--redis", Deployment.Redis.ConnectionString, "--gateway", "127.0.0.1:1");
        Assert.Equal(Unavailable, dead.ExitCode);
        Assert.Contains("none answers: 127.0.0.1:1", dead.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("silo-1")]
    [InlineData("silo-1:0")]
    [InlineData("::1:30000")]
    [InlineData("http://silo-1:30000")]
    [InlineData("silo-1:30000,silo-2:30000")]
    public async Task A_gateway_that_is_none_is_named_with_what_is_allowed(string gateway)
    {
        var run = await WithoutMemoryAsync("breaker", "list", "--gateway", gateway);
        Assert.Equal(Usage, run.ExitCode);
        Assert.Equal(
            $"error: --gateway is '{gateway}'; allowed is host:port, for example 10.0.0.7:30000, silo-1:30000 or [::1]:30000", run.Error.Trim());
    }

    [Fact]
    public async Task An_app_started_in_the_outage_works_by_a_gateway()
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
    public async Task A_gateway_behind_a_forwarded_port_is_an_error_that_says_so()
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
