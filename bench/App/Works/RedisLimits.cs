using System.Threading.RateLimiting;
using RedisRateLimiting;
using StackExchange.Redis;

namespace Actors.Bench.App.Works;

/// <summary>
/// A peer of limits: RedisRateLimiting's sliding window, one limiter per client, all on one multiplexer. It takes the time from
/// the clock of the app, so it is exact only as long as one process, or processes with equal clocks, use it.
/// </summary>
internal sealed class RedisLimits(AppSettings settings, AppLimit limit) : AppWork<RateLimitLease>
{
    private ConnectionMultiplexer? _redis;
    private RateLimiter[] _limiters = [];

    public override async Task PrepareAsync()
    {
        _redis = await ConnectionMultiplexer.ConnectAsync(settings.Redis);
        var options = OptionsOf(limit, _redis);
        _limiters = [.. limit.Names.Select(name => new RedisSlidingWindowRateLimiter<string>($"{settings.Name}-{name}", options))];
        await limit.FillAsync(async () => (await CallAsync(Random.Shared)).IsAcquired);
    }

    public static RedisSlidingWindowRateLimiterOptions OptionsOf(AppLimit limit, IConnectionMultiplexer redis) => new()
    {
        ConnectionMultiplexerFactory = () => redis,
        PermitLimit = limit.Window.Limit,
        Window = limit.Window.Duration,
    };

    public override ValueTask<RateLimitLease> CallAsync(Random random) => _limiters[random.Next(_limiters.Length)].AcquireAsync();

    public override bool IsExpected(RateLimitLease answer) => answer.IsAcquired == limit.IsAllowed;

    public override ValueTask DisposeAsync() => _redis?.DisposeAsync() ?? ValueTask.CompletedTask;
}
