namespace Actors.RateLimiting;

/// <summary>
/// The bounds of the Redis clock as known to this silo, and the monotonic clock that it is compared with. All times are microseconds.
/// Thread-safe.
/// </summary>
internal sealed class SiloRedisClock(TimeProvider time)
{
    // Guards the field below; held for one access.
    private readonly Lock _gate = new();
    private ServerClock _known;

    /// <summary>The current time on the monotonic clock.</summary>
    public long Now => (long)(time.GetTimestamp() * (1e6 / time.TimestampFrequency));

    /// <summary>The silo's bounds of the server's clock, for limiters that have none yet.</summary>
    public ServerClock Known
    {
        get
        {
            lock (_gate) return _known;
        }
    }

    /// <summary>A guess while Redis has never answered: this machine's clock. Never sent to Redis.</summary>
    public ServerClock Guessed
    {
        get
        {
            var (guessed, now) = (default(ServerClock), Now);
            guessed.Observe((long)(time.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalMicroseconds, now, now);
            return guessed;
        }
    }

    /// <inheritdoc cref="ServerClock.Observe"/>
    public void Observe(long time, long sent, long received)
    {
        lock (_gate) _known.Observe(time, sent, received);
    }
}
