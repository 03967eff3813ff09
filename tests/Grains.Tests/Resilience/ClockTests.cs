using Actors.Contracts;
using Actors.Fixtures;
using Actors.Redis;
using Actors.Users;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using StackExchange.Redis;

namespace Actors.Grains.Tests.Resilience;

[NeedsServers]
public sealed class ClockTests(RedisFixture redis)
{
    private static readonly DateTimeOffset True = new(2026, 11, 29, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Off = TimeSpan.FromMinutes(11);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0, 11)]
    [InlineData(0, -11)]
    [InlineData(11, 0)]
    [InlineData(-11, 0)]
    [InlineData(-11, 11)]
    [InlineData(11, -11)]
    public void Request_id_is_remembered_whatever_the_silo_clocks(int firstAhead, int thenAhead)
    {
        var first = UserState.None.Apply("ada", new UserPatch(), "r", Silo(True, firstAhead));
        var then = first.Apply("ada", new UserPatch(), "s", Silo(True + TimeSpan.FromMinutes(5), thenAhead));

        Assert.Equal(1, then.VersionOf("r", Silo(True + TimeSpan.FromMinutes(9), thenAhead)));
        Assert.Equal(1, then.VersionOf("r", Silo(True + TimeSpan.FromMinutes(9), firstAhead)));
        Assert.Equal(2, then.VersionOf("s", Silo(True + TimeSpan.FromMinutes(14), thenAhead)));
    }

    [Fact]
    public void Request_id_is_remembered_with_a_wrong_Redis_clock()
    {
        var state = UserState.None.Apply("ada", new UserPatch(), "r", Reading(True, redis: True - Off));
        Assert.Equal(1, state.VersionOf("r", Reading(True + TimeSpan.FromMinutes(9), redis: True + TimeSpan.FromMinutes(9))));
        state = UserState.None.Apply("ada", new UserPatch(), "r", Reading(True, redis: True));
        Assert.Equal(1, state.VersionOf("r", Reading(True + TimeSpan.FromMinutes(9), redis: True + TimeSpan.FromMinutes(9) + Off)));
    }

    [Fact]
    public void Request_id_expires_once_all_clocks_agree()
    {
        var state = UserState.None.Apply("ada", new UserPatch(), "r", Silo(True, 0));
        Assert.Null(state.VersionOf("r", Silo(True + UserLimits.RequestIdMemory, 0)));
    }

    [Theory]
    [InlineData(11)]
    [InlineData(-11)]
    public async Task Cluster_time_is_the_time_of_Redis(int ahead)
    {
        var time = new OffTime(TimeSpan.FromMinutes(ahead));
        var cluster = new ClusterClock(time);
        await using var gateway = redis.Open();
        using var watch = Watch(gateway, cluster, time, limit: null);
        await watch.LookAsync(Token);

        Assert.InRange(cluster.UtcNow - DateTimeOffset.UtcNow, -TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));
        Assert.InRange(cluster.Translation - time.Ahead, -TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));
        var skew = Assert.Single(watch.Skews);
        Assert.InRange(skew.Ahead - time.Ahead, -TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Clock_change_on_a_silo_does_not_change_the_cluster_time()
    {
        var time = new OffTime(TimeSpan.Zero);
        var cluster = new ClusterClock(time);
        await using var gateway = redis.Open();
        using var watch = Watch(gateway, cluster, time, Limit);
        await watch.StartAsync(Token);
        Assert.Null(watch.Problem);

        time.Ahead = Off;
        Assert.InRange(cluster.UtcNow - DateTimeOffset.UtcNow, -TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));

        // The silo continues and is degraded.
        Assert.True((await watch.LookAsync(Token)).IsOwnOff);
        Assert.Contains("ahead of Redis at", watch.Problem, StringComparison.Ordinal);
        time.Ahead = TimeSpan.Zero;
        await watch.LookAsync(Token);
        Assert.Null(watch.Problem);
        await watch.StopAsync();
    }

    [Fact]
    public async Task Silo_with_a_clock_skew_above_the_limit_does_not_start()
    {
        var time = new OffTime(Off);
        await using var gateway = redis.Open();
        using var watch = Watch(gateway, new ClusterClock(time), time, Limit);
        var error = await Assert.ThrowsAsync<ClockSkewException>(() => watch.StartAsync(Token));
        Assert.Contains("ahead of Redis at", error.Message, StringComparison.Ordinal);
        Assert.Contains("Actors:MaxClockSkew", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task Disposed_clock_watch_stops_checking_and_logs_nothing()
    {
        var time = new FakeTimeProvider();
        var log = new CountingLog();
        await using var gateway = redis.Open();
        var watch = new ClockWatch(gateway, new ClusterClock(time), [], Options.Create(new ClockOptions { MaxSkew = TimeSpan.MaxValue }), time, log);
        await watch.StartAsync(Token);
        var before = log.Lines;

        // As after a failed start.
        watch.Dispose();
        time.Advance(TimeSpan.FromMinutes(5));
        await watch.StopAsync().WaitAsync(Limit, Token);
        Assert.Equal(before, log.Lines);
    }

    [Fact]
    public async Task Silo_starts_if_no_reference_clock_answers()
    {
        await using var server = await RedisServer.StartNewAsync(appendOnly: false);
        await using (var admin = await ConnectionMultiplexer.ConnectAsync(server.ConnectionString))
            await admin.GetDatabase().ExecuteAsync("ACL", "SETUSER", "default", "-time");
        await using var gateway = new RedisGateway(new RedisOptions { ConnectionString = server.ConnectionString, KeyPrefix = "test" }, Patience.Breaker);
        var cluster = new ClusterClock(TimeProvider.System);
        using var watch = new ClockWatch(
            gateway, cluster, [new BrokenClock()], Options.Create(new ClockOptions { MaxSkew = Limit }), TimeProvider.System, NullLogger<ClockWatch>.Instance);

        await watch.StartAsync(Token);

        Assert.Empty(watch.Skews);
        Assert.Null(watch.Problem);
        Assert.False(cluster.IsKnown);
        await watch.StopAsync();
    }

    [Theory]
    [InlineData(11, 11, true, "This machine's clock is 660.0 s ahead of Redis and 660.0 s ahead of PostgreSQL")]
    [InlineData(-11, -11, true, "660.0 s behind Redis")]
    [InlineData(11, 0, false, "The clocks of Redis and PostgreSQL differ: this machine's clock is 660.0 s ahead of Redis and agrees with the other")]
    [InlineData(0, 11, false, "The clocks of PostgreSQL and Redis differ")]
    [InlineData(0, 0, false, null)]
    public void Clock_that_two_others_contradict_is_wrong(int redisOff, int databaseOff, bool isOwnOff, string? problem)
    {
        var verdict = ClockVerdict.Of(
        [
            new("Redis", TimeSpan.FromMinutes(redisOff), TimeSpan.Zero),
            new("PostgreSQL", TimeSpan.FromMinutes(databaseOff), TimeSpan.Zero),
        ], Limit);
        Assert.Equal(isOwnOff, verdict.IsOwnOff);
        if (problem is null) Assert.Null(verdict.Problem);
        else Assert.Contains(problem, verdict.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Slow_response_is_not_clock_skew() =>
        Assert.Null(ClockVerdict.Of([new("Redis", TimeSpan.FromSeconds(70), TimeSpan.FromSeconds(15))], Limit).Problem);

    // A silo with a wrong clock that knows the time of Redis.
    private static ClockReading Silo(DateTimeOffset now, int ahead) => Reading(now + TimeSpan.FromMinutes(ahead), redis: now);

    private static ClockReading Reading(DateTimeOffset own, DateTimeOffset redis) => new(redis, own < redis ? own : redis, own > redis ? own : redis);

    private static ClockWatch Watch(RedisGateway gateway, ClusterClock cluster, TimeProvider time, TimeSpan? limit) => new(
        gateway, cluster, [], Options.Create(limit is { } max ? new ClockOptions { MaxSkew = max } : new ClockOptions()), time, NullLogger<ClockWatch>.Instance);

    private sealed class CountingLog : ILogger<ClockWatch>
    {
        // Incremented by any thread.
        private int _lines;

        public int Lines => Volatile.Read(ref _lines);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Interlocked.Increment(ref _lines);
    }

    private sealed class BrokenClock : IReferenceClock
    {
        public string Name => "a broken clock";

        public Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken) => throw new NotSupportedException("The clock has no time.");
    }

    private sealed class OffTime(TimeSpan ahead) : TimeProvider
    {
        public TimeSpan Ahead { get; set; } = ahead;

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;
    }
}
