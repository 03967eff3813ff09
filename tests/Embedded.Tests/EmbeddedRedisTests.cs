using Actors.Fixtures;
using Actors.Redis;
using StackExchange.Redis;

namespace Actors.Embedded.Tests;

public sealed class EmbeddedRedisTests : IDisposable
{
    // Numbers have a fraction in Lua 5.4 but not in 5.1, hence math.floor.
    private const string Increment = """
        local value = tonumber(redis.call('GET', KEYS[1]) or '0')
        redis.call('SET', KEYS[1], math.floor(value + 1))
        redis.call('HSET', KEYS[2], 'f' .. math.floor(value), '1')
        return math.floor(value + 1)
        """;

    private readonly TemporaryDirectory _directory = new("garnet");
    private readonly int _port = FreePorts.Next();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Embedded_Redis_answers_as_Redis_does()
    {
        await using var redis = await StartAsync();
        await using var client = await ConnectAsync(redis);
        var database = client.GetDatabase();

        await database.HashSetAsync("h", "a", "1");
        await database.SortedSetAddAsync("z", "m", 2);
        await database.StringSetAsync("s", "v", TimeSpan.FromMinutes(1));

        Assert.Equal($"127.0.0.1:{_port}", redis.ConnectionString);
        Assert.Equal("1", await database.HashGetAsync("h", "a"));
        Assert.Equal(2, await database.SortedSetScoreAsync("z", "m"));
        Assert.NotNull(await database.KeyTimeToLiveAsync("s"));
    }

    [Theory]
    [InlineData(RedisRole.Journal)]
    [InlineData(RedisRole.Cache)]
    [InlineData(RedisRole.Limits)]
    public async Task Probe_of_each_role_succeeds(RedisRole role)
    {
        await using var redis = await StartAsync();
        await using var client = await ConnectAsync(redis);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => RedisProbe.RunAsync(client.GetDatabase(), "test", role)));
    }

    [Fact]
    public async Task Scripts_are_atomic_across_connections()
    {
        const int Times = 1_500;
        await using var redis = await StartAsync();
        await using var first = await ConnectAsync(redis);
        await using var second = await ConnectAsync(redis);

        await Task.WhenAll(((IDatabase[])[first.GetDatabase(), second.GetDatabase()]).Select(database => Task.Run(async () =>
        {
            await Task.WhenAll(Enumerable.Range(0, Times).Select(_ => database.ScriptEvaluateAsync(Increment, ["n", "seen"])));
        })));

        Assert.Equal(2 * Times, (long)await first.GetDatabase().StringGetAsync("n"));
        Assert.Equal(2 * Times, await first.GetDatabase().HashLengthAsync("seen"));
    }

    [Fact]
    public async Task Stop_right_after_an_acknowledgement_loses_nothing()
    {
        for (var round = 1; round <= 3; round++)
        {
            await using var redis = await StartAsync();
            await using var client = await ConnectAsync(redis);
            var database = client.GetDatabase();

            Assert.Equal((round - 1) * 2_000, await database.HashLengthAsync("seen"));
            await Task.WhenAll(Enumerable.Range(0, 2_000).Select(_ => database.ScriptEvaluateAsync(Increment, ["n", "seen"])));
            await redis.StopAsync();
        }
    }

    [Fact]
    public async Task Data_beyond_the_limit_of_the_log_survive_a_restart()
    {
        // Beyond 16 MB the log is folded into a checkpoint; reads combine both.
        const int Values = 3_000;
        var value = new string('x', 10_000);
        await using (var redis = await StartAsync())
        {
            await using var client = await ConnectAsync(redis);
            for (var i = 0; i < Values; i += 100)
            {
                await Task.WhenAll(Enumerable.Range(i, 100).Select(n => client.GetDatabase().HashSetAsync($"h{n}", "f", value)));
                if (i == Values / 2)
                    await Task.Delay(TimeSpan.FromSeconds(3), Token);
            }
        }

        await using var again = await StartAsync();
        await using var reader = await ConnectAsync(again);
        var found = await Task.WhenAll(Enumerable.Range(0, Values).Select(n => reader.GetDatabase().HashStringLengthAsync($"h{n}", "f")));
        Assert.All(found, length => Assert.Equal(value.Length, length));
    }

    [Fact]
    public async Task Commit_command_is_answered_after_a_script()
    {
        await using var redis = await StartAsync();
        await using var client = await ConnectAsync(redis);
        var database = client.GetDatabase();

        var script = database.ScriptEvaluateAsync(Increment, ["n", "seen"]);
        var commit = database.ExecuteAsync(EmbeddedRedis.CommitCommand);

        Assert.Equal(1, (long)await script);
        Assert.False((await commit).IsNull);
    }

    [Fact]
    public async Task Stop_can_be_repeated()
    {
        await using var redis = await StartAsync();
        await redis.StopAsync();
        await redis.StopAsync();
    }

    private static async Task<ConnectionMultiplexer> ConnectAsync(EmbeddedRedis redis) =>
        await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString);

    private Task<EmbeddedRedis> StartAsync() => EmbeddedRedis.StartAsync(_port, _directory.Path, null, Token);
}
