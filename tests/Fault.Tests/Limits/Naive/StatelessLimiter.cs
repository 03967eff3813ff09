using Actors.Harness.Limits;
using StackExchange.Redis;

namespace Actors.Fault.Tests.Limits.Naive;

/// <summary>A minimal limiter over a real Redis.</summary>
internal interface ISmallLimiter
{
    /// <summary>The time of the grant by the clock of Redis in microseconds; null for a denial.</summary>
    Task<long?> TryAcquireAsync(int permits);
}

/// <summary>The correct recipe: one script, the server's time, one member per permit, no writes for denials.</summary>
internal sealed class StatelessLimiter(IDatabase redis, RedisKey key, IReadOnlyList<LimitWindow> windows) : ISmallLimiter
{
    private const string Script = """
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local newest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
        if newest[2] then now = math.max(now, tonumber(newest[2])) end
        local longest = 0
        for i = 3, #ARGV, 2 do
          local duration = tonumber(ARGV[i + 1])
          local count = redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now - duration), '+inf')
          if count + ARGV[2] > tonumber(ARGV[i]) then return false end
          longest = math.max(longest, duration)
        end
        local score = string.format('%.0f', now)
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - longest))
        for i = 1, ARGV[2] do redis.call('ZADD', KEYS[1], score, ARGV[1] .. i) end
        redis.call('PEXPIRE', KEYS[1], math.ceil(longest / 1000))
        return score
        """;

    private readonly RedisValue[] _windows = [.. windows.SelectMany(window => (RedisValue[])[window.Limit, window.Duration.TotalMicroseconds])];

    public async Task<long?> TryAcquireAsync(int permits) =>
        (long?)await redis.ScriptEvaluateAsync(Script, [key], [$"{Guid.NewGuid():n}:", permits, .. _windows]);
}
