namespace Actors.Redis;

/// <summary>
/// The time that all silos agree on, whatever their own clocks show: that of Redis, as it was told last, followed by the
/// monotonic clock since. Until Redis has told it, this machine's. Safe for concurrent use.
/// </summary>
/// <param name="time">This machine's clocks.</param>
internal sealed class ClusterClock(TimeProvider time)
{
    private const long Unknown = long.MinValue;

    /// <summary>A clock that is off by less is taken for right.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(1);

    // The server's time less the monotonic clock's, in ticks. Each is a single field, read and written whole by any thread.
    private long _offset = Unknown;
    private long _translation;

    /// <summary>True once Redis has told its time.</summary>
    public bool IsKnown => Volatile.Read(ref _offset) != Unknown;

    /// <summary>The time that all silos agree on.</summary>
    public DateTimeOffset UtcNow
    {
        get
        {
            var offset = Volatile.Read(ref _offset);
            return offset == Unknown ? time.GetUtcNow() : new DateTimeOffset(Ticks(time.GetTimestamp()) + offset, TimeSpan.Zero);
        }
    }

    /// <summary>The time to the millisecond, as users store it.</summary>
    public ClockReading Read()
    {
        var (cluster, own) = (Rounded(UtcNow), Rounded(time.GetUtcNow()));
        return new ClockReading(cluster, cluster < own ? cluster : own, cluster > own ? cluster : own);
    }

    /// <summary>
    /// By how much this machine's clock is ahead, to translate times of this machine. It stays the same until it is wrong by
    /// more than <see cref="Tolerance"/>, so that a time that is translated twice is the same.
    /// </summary>
    public TimeSpan Translation
    {
        get
        {
            var ahead = IsKnown ? (time.GetUtcNow() - UtcNow).Ticks : 0;
            var translation = Volatile.Read(ref _translation);
            if (Math.Abs(ahead - translation) > Tolerance.Ticks) Volatile.Write(ref _translation, translation = ahead);
            return TimeSpan.FromTicks(translation);
        }
    }

    /// <summary>Redis said <paramref name="server"/> in a call between two moments of the monotonic clock.</summary>
    public void Observe(DateTimeOffset server, long sent, long received) =>
        Volatile.Write(ref _offset, server.UtcTicks - ((Ticks(sent) + Ticks(received)) / 2));

    private long Ticks(long timestamp) => (long)(timestamp * ((double)TimeSpan.TicksPerSecond / time.TimestampFrequency));

    private static DateTimeOffset Rounded(DateTimeOffset time) => DateTimeOffset.FromUnixTimeMilliseconds(time.ToUnixTimeMilliseconds());
}
