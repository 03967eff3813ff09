using Actors.Harness.Limits;
using StackExchange.Redis;

namespace Actors.Fault.Tests.Limits.Naive;

/// <summary>One script with the caller's time: a clock that is ahead trims live grants, one that is behind expires the key early.</summary>
internal sealed class ClientClock(IDatabase redis, RedisKey key, LimitWindow window, TimeSpan ahead) : ISmallLimiter
{
    private const string Script = """
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3] - ARGV[2])
        if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return false end
        redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
        redis.call('PEXPIREAT', KEYS[1], ARGV[3] + ARGV[2])
        local time = redis.call('TIME')
        return string.format('%.0f', time[1] * 1000000 + time[2])
        """;

    public async Task<long?> TryAcquireAsync(int permits) => (long?)await redis.ScriptEvaluateAsync(
        Script, [key], [window.Limit, window.Duration.TotalMilliseconds, (DateTimeOffset.UtcNow + ahead).ToUnixTimeMilliseconds(), $"{Guid.NewGuid():n}"]);
}
