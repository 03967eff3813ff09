namespace Actors.Redis;

/// <summary>
/// The time that all silos agree on, independent of their own clocks. It is the last time reported by Redis plus the monotonic
/// time since then. Until Redis reports its time, it is this machine's time. Safe for concurrent use.
/// </summary>
/// <param name="time">This machine's clocks.</param>
internal sealed class ClusterClock(TimeProvider time)
{
    private const long Unknown = long.MinValue;

    /// <summary>A smaller difference counts as correct.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(1);

    // The server's time minus the monotonic clock's, in ticks. Each field is read and written atomically by any thread.
    private long _offset = Unknown;
    private long _translation;

    /// <summary>True once Redis has reported its time.</summary>
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

    /// <summary>The time in milliseconds, the precision users store.</summary>
    public ClockReading Read()
    {
        var (cluster, own) = (Rounded(UtcNow), Rounded(time.GetUtcNow()));
        return new ClockReading(cluster, cluster < own ? cluster : own, cluster > own ? cluster : own);
    }

    /// <summary>
    /// How far this machine's clock is ahead, for translating its times. The value changes only when it is wrong by more than
    /// <see cref="Tolerance"/>, so translating a time twice gives the same result.
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

    /// <summary>Records that Redis reported <paramref name="server"/> between two moments of the monotonic clock.</summary>
    public void Observe(DateTimeOffset server, long sent, long received) =>
        Volatile.Write(ref _offset, server.UtcTicks - ((Ticks(sent) + Ticks(received)) / 2));

    private long Ticks(long timestamp) => (long)(timestamp * ((double)TimeSpan.TicksPerSecond / time.TimestampFrequency));

    private static DateTimeOffset Rounded(DateTimeOffset time) => DateTimeOffset.FromUnixTimeMilliseconds(time.ToUnixTimeMilliseconds());
}
