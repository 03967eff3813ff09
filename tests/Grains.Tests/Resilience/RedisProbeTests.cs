using System.Reflection;
using System.Text.RegularExpressions;
using Actors.Fixtures;
using Actors.RateLimiting;
using Actors.Redis;
using Actors.WriteBehind;
using StackExchange.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A Redis that revokes rights until they are granted again.</summary>
[NeedsServers]
public sealed partial class RedisProbeTests
{
    [Theory]
    [InlineData(RedisRole.Journal, typeof(JournalScripts))]
    [InlineData(RedisRole.Cache, typeof(RowCache))]
    [InlineData(RedisRole.Limits, typeof(GrantScripts))]
    internal void Probe_tries_every_command_of_the_scripts_of_its_role(RedisRole role, Type scripts)
    {
        var tried = Commands(RedisProbe.ScriptOf(role));
        var used = scripts.GetFields(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)
            .Where(field => field.FieldType == typeof(string))
            .SelectMany(field => Commands((string)field.GetValue(null)!)).ToHashSet();
        Assert.NotEmpty(used);
        Assert.Empty(used.Except(tried));
    }

    [Theory]
    [InlineData("-time")]
    [InlineData("-eval -evalsha -@scripting")]
    [InlineData("-hset")]
    [InlineData("resetkeys ~other:*")]
    public async Task Missing_right_opens_the_circuit_at_once_until_it_is_granted(string rights)
    {
        await using var bench = await GatewayBench.StartAsync();
        var admin = await bench.AdminAsync();
        await admin.ExecuteAsync("ACL", "SETUSER", "admin", "on", ">any", "~*", "&*", "+@all");
        await using var other = await ConnectionMultiplexer.ConnectAsync($"{bench.Server.ConnectionString},user=admin,password=any");
        await bench.Gateway.ConnectAsync();
        Assert.True(bench.IsClosed);

        await other.GetDatabase().ExecuteAsync("ACL", ["SETUSER", "default", .. rights.Split(' ')]);
        var error = await Assert.ThrowsAsync<RedisUnavailableException>(() => bench.Gateway.EvaluateAsync(
            RedisRole.Journal, "redis.call('TIME') return redis.call('HSET', KEYS[1], 'f', '1')", ["test:missing-right"], []));
        Assert.False(bench.IsClosed);
        Assert.Contains("unusable", bench.Circuit.Snapshot().Transitions[^1].Reason, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);

        // Probes do not close it: they run the same commands.
        var breaks = bench.Circuit.Breaks;
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Circuit.Breaks >= breaks + 3));
        Assert.DoesNotContain(bench.Circuit.Snapshot().Transitions, transition => transition.To == BreakerState.Closed);

        await other.GetDatabase().ExecuteAsync("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all");
        await bench.ClosedAsync();
    }

    [Fact]
    public async Task Missing_right_to_read_the_health_leaves_the_circuit_closed()
    {
        await using var server = await RedisServer.StartNewAsync(appendOnly: false);
        await using (var admin = await ConnectionMultiplexer.ConnectAsync(server.ConnectionString))
            await admin.GetDatabase().ExecuteAsync("ACL", "SETUSER", "default", "-info");
        await using var gateway = new RedisGateway(new RedisOptions { ConnectionString = server.ConnectionString, KeyPrefix = "test" }, GatewayBench.Quick());
        await gateway.ConnectAsync();

        // The health is read at once and every 10 s.
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.Empty(gateway.Circuits[0].Snapshot().Transitions);
        Assert.Null(gateway.Circuits[0].Health);
    }

    private static HashSet<string> Commands(string script) => [.. Call().Matches(script).Select(match => match.Groups[1].Value)];

    [GeneratedRegex(@"redis\.p?call\('([A-Z]+)'")]
    private static partial Regex Call();
}
