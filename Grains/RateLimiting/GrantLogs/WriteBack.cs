using Actors.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// Writes to Redis what it lacks of a log once Redis is reachable, and returns the reserve. Failures are expected: the copy
/// stays, and so does what it holds for the next activation.
/// </summary>
/// <remarks>Used only by the turns of one grain; must not write while a script is in flight (<see cref="ExclusiveQueue"/>).</remarks>
internal sealed class WriteBack(LogCopy log, GrantLogSession session, LimiterEnding ending, RedisGrantLogStore logs)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>True if Redis lacks something that the limiter writes back without being asked.</summary>
    public bool IsNeeded => log.IsUnsynced && !ending.IsClosed;

    /// <summary>Completes when the next attempt is due, or none is needed any more.</summary>
    public async Task WhenDueAsync(bool isRetry)
    {
        if (isRetry) await logs.PauseAsync(Pause * (0.5 + Random.Shared.NextDouble()));
        if (IsNeeded) await Task.WhenAny(logs.WhenReachableAsync(), ending.Closed);
    }

    /// <summary>Completes once calls go to Redis, but after a moment at the latest.</summary>
    public Task WaitForRedisAsync() => Task.WhenAny(logs.WhenReachableAsync(), logs.PauseAsync(Pause));

    /// <summary>Takes the log over if another activation owns it, or none yet, and writes it. Returns whether Redis has all.</summary>
    public async Task<bool> TakeOverAndWriteAsync() => await session.EnsureOwnedAsync(isNeeded: false) && await WriteAsync();

    /// <summary>Writes the log that this activation owns. Returns whether Redis has all.</summary>
    public async Task<bool> WriteAsync()
    {
        try
        {
            if (log.IsUnsynced && logs.IsReachable) await session.SyncAsync();
        }
        catch (RedisUnavailableException)
        {
            // It is tried again as long as it is needed.
        }

        return !log.IsUnsynced;
    }

    /// <summary>
    /// Makes Redis count exactly what was granted. If that fails, the next activation has slightly less for a while.
    /// </summary>
    public async Task<bool> ReturnReserveAsync()
    {
        try
        {
            if (log.IsHoldingBack && logs.IsReachable) await session.DecideAsync([]);
        }
        catch (RedisUnavailableException)
        {
            // The reserve counts as granted until it expires.
        }

        return !log.IsHoldingBack;
    }
}
