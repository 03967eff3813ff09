using System.Diagnostics;
using Actors.Harness.Limits;
using StackExchange.Redis;

namespace Actors.Fault.Tests.Limits.Naive;

/// <summary>
/// Goes on from its copy of the log while Redis is away, exact in itself, and forgets to write back what it granted then: with
/// Redis back there is a second budget.
/// </summary>
internal sealed class ForgetfulFallback(IDatabase redis, RedisKey key, LimitWindow window) : ISmallLimiter
{
    private readonly StatelessLimiter _log = new(redis, key, [window]);

    // Guards the copy and how far the clock of Redis is ahead of this process'.
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
