using System.Diagnostics;
using Actors.Harness.Limits;
using StackExchange.Redis;

namespace Actors.Fault.Tests.Limits.Naive;

/// <summary>
/// Continues from its copy of the log during a Redis outage, exact in itself, but does not write its grants back: after the
/// outage there is a second budget.
/// </summary>
internal sealed class ForgetfulFallback(IDatabase redis, RedisKey key, LimitWindow window) : ISmallLimiter
{
    private readonly StatelessLimiter _log = new(redis, key, [window]);

    // Guards the copy and the offset of the clock of Redis.
    private readonly Lock _gate = new();
    private readonly Queue<long> _granted = [];
    private long _ahead;

    public async Task<long?> TryAcquireAsync(int permits)
    {
        try
        {
            var at = await _log.TryAcquireAsync(permits);
            if (at is null) return null;
            lock (_gate)
            {
                _granted.Enqueue(at.Value);
                _ahead = at.Value - Own();
            }
            return at;
        }
        catch (Exception error) when (error is RedisException or TimeoutException)
        {
            lock (_gate)
            {
                var now = Own() + _ahead;
                while (_granted.TryPeek(out var oldest) && oldest <= now - window.Duration.TotalMicroseconds) _granted.Dequeue();
                if (_granted.Count >= window.Limit) return null;
                _granted.Enqueue(now);
                return now;
            }
        }
    }

    private static long Own() => Stopwatch.GetElapsedTime(0).Ticks / TimeSpan.TicksPerMicrosecond;
}
