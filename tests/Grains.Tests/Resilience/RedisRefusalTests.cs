using Actors.Fixtures;
using Actors.Redis;
using StackExchange.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A real Redis that responds with an error: it cannot serve, or the request was wrong.</summary>
[NeedsServers]
public sealed class RedisRefusalTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    // Opens only on failures.
    private static BreakerOptions Patient => new() { CallTimeout = Long, SlowCallDuration = Long, SilenceDuration = Long, ProbeTimeout = Long };

    [Theory]
    [InlineData("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "OOM")]
    [InlineData("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS")]
    [InlineData("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "")]
    public async Task Read_only_Redis_is_not_called_until_it_accepts_writes(string begin, string end, string reason)
    {
        await using var bench = await GatewayBench.StartAsync();
        var admin = await bench.AdminAsync();
        await SendAsync(admin, begin);
        var errors = await bench.OpenAsync();
        Assert.NotEmpty(errors);
        Assert.All(errors, error => Assert.False(error.MayHaveHappened, error.Message));
        Assert.All(errors, error => Assert.Contains(reason, error.Message, StringComparison.Ordinal));

        // The server answers a PING, but probes write.
        var breaks = bench.Circuit.Breaks;
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Circuit.Breaks >= breaks + 3));
        Assert.False(bench.IsClosed);

        await SendAsync(admin, end);
        await bench.ClosedAsync();
        Assert.Null(await bench.TryAsync());
    }

    [Fact]
    public async Task Errors_of_the_request_do_not_open_the_circuit()
    {
        await using var bench = await GatewayBench.StartAsync(Patient);
        var redis = await bench.AdminAsync();
        await redis.ListLeftPushAsync("list", "value");
        await redis.StreamCreateConsumerGroupAsync("stream", "group", "0-0");
        var (failures, calls) = (bench.Circuit.Failures, bench.Circuit.Calls);

        (string Script, string Error)[] wrong =
        [
            ("this is no Lua", "ERR"),
            ("return redis.call('INCR', KEYS[1])", "WRONGTYPE"),
            ("return redis.error_reply('MINE is not yours')", "MINE"),
            ("return redis.call('XGROUP', 'CREATE', KEYS[2], 'group', '0')", "BUSYGROUP"),
        ];
        foreach (var (script, expected) in wrong)
        {
            for (var i = 0; i < 1000; i++)
            {
                var error = await Assert.ThrowsAsync<RedisUnavailableException>(
                    () => bench.Gateway.EvaluateAsync(RedisRole.Cache, script, ["list", "stream"], []));
                Assert.Contains(expected, error.Message, StringComparison.Ordinal);
            }
        }

        for (var i = 0; i < 1000; i++)
        {
            var error = await Assert.ThrowsAsync<RedisUnavailableException>(() => bench.Circuit.CallAsync(
                RedisRole.Cache, 0, static (redis, _) => redis.ExecuteAsync("EVALSHA", new string('f', 40), 0)));
            Assert.Contains("NOSCRIPT", error.Message, StringComparison.Ordinal);
        }

        Assert.True(bench.IsClosed);
        Assert.Empty(bench.Circuit.Snapshot().Transitions);
        Assert.Equal(failures, bench.Circuit.Failures);
        Assert.InRange(bench.Circuit.Calls - calls, 5000, 5010);
    }

    [Fact]
    public async Task Scripts_are_loaded_again_after_the_server_lost_them()
    {
        await using var bench = await GatewayBench.StartAsync(Patient);
        var admin = await bench.AdminAsync();
        for (var i = 0; i < 20; i++)
        {
            await admin.ExecuteAsync("SCRIPT", "FLUSH");
            Assert.Null(await bench.TryAsync());
        }

        Assert.Empty(bench.Circuit.Snapshot().Transitions);
    }

    [Fact]
    public async Task Defects_before_a_call_do_not_count_as_successes()
    {
        var options = GatewayBench.Quick();
        options.MinimumThroughput = 1_000_000;
        await using var bench = await GatewayBench.StartAsync(options);
        await bench.Server.KillAsync();
        await Eventually.IsTrueAsync(async () =>
        {
            // A call that never reaches Redis follows each failure.
            await Assert.ThrowsAnyAsync<Exception>(() => bench.Circuit.CallAsync<int, int>(
                RedisRole.Cache, 0, static (_, _) => throw new InvalidOperationException("a defect")));
            await bench.TryAsync();
            return bench.Circuit.Breaks > 0;
        });
        Assert.Contains("no good answer", bench.Circuit.Snapshot().Transitions[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hash_scan_handles_any_size_and_fails_at_once_while_the_circuit_is_open()
    {
        await using var bench = await GatewayBench.StartAsync(Patient);
        var redis = await bench.AdminAsync();
        Assert.Empty(await WalkAsync());
        await redis.HashSetAsync("hash", "a", 1);
        Assert.Single(await WalkAsync());
        await redis.HashSetAsync("hash", [.. Enumerable.Range(0, 5000).Select(i => new HashEntry($"f{i}", i))]);
        Assert.Equal(5001, (await WalkAsync()).Select(entry => entry.Name).Distinct().Count());

        bench.Gateway.Isolate("test");
        var error = await Assert.ThrowsAsync<RedisUnavailableException>(WalkAsync);
        Assert.False(error.MayHaveHappened);

        async Task<List<HashEntry>> WalkAsync() => await bench.Gateway.HashScanAsync(RedisRole.Cache, "hash", 100).ToListAsync();
    }

    private static Task SendAsync(IDatabase redis, string command)
    {
        var words = command.Split(' ');
        return redis.ExecuteAsync(words[0], words[1..]);
    }
}
