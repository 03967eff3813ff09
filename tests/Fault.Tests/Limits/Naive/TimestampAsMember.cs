using Actors.Harness.Limits;
using StackExchange.Redis;

namespace Actors.Fault.Tests.Limits.Naive;

/// <summary>ZADD key now now: grants of the same instant are one member and count once.</summary>
internal sealed class TimestampAsMember(IDatabase redis, RedisKey key, LimitWindow window) : ISmallLimiter
{
    private const string Script = """
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
        if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return false end
        redis.call('ZADD', KEYS[1], now, now)
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return string.format('%.0f', time[1] * 1000000 + time[2])
        """;

    public async Task<long?> TryAcquireAsync(int permits) =>
        (long?)await redis.ScriptEvaluateAsync(Script, [key], [window.Limit, window.Duration.TotalMilliseconds]);
}
