using System.Diagnostics;
using Actors.Harness.Limits;
using StackExchange.Redis;

namespace Actors.Fault.Tests.Limits.Naive;

/// <summary>
/// An owner that denies from its copy of the log and checks for free permits only on timer ticks: it frees permits up to a
/// tick too early.
/// </summary>
internal sealed class CoarseMirror(IDatabase redis, RedisKey key, LimitWindow window) : ISmallLimiter
{
    private const string Script = """
        local time = redis.call('TIME')
        local score = string.format('%.0f', time[1] * 1000000 + time[2])
        redis.call('ZADD', KEYS[1], score, ARGV[1])
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        return score
        """;

    // Far longer than a call takes, even on a busy machine.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(100);

    // Guards the log: the ticks of the grants that count.
    private readonly Lock _gate = new();
    private readonly Queue<long> _granted = [];

    public async Task<long?> TryAcquireAsync(int permits)
    {
        lock (_gate)
        {
            var now = Stopwatch.GetElapsedTime(0).Ticks / Tick.Ticks;
            while (_granted.TryPeek(out var oldest) && oldest <= now - (window.Duration.Ticks / Tick.Ticks)) _granted.Dequeue();
            if (_granted.Count >= window.Limit) return null;
            _granted.Enqueue(now);
        }
        return (long)await redis.ScriptEvaluateAsync(Script, [key], [$"{Guid.NewGuid():n}", window.Duration.TotalMilliseconds]);
    }
}
