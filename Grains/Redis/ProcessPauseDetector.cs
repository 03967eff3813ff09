namespace Actors.Redis;

/// <summary>
/// Knows when this process itself did not run (stopped, moved, starved): calls that ran out of time meanwhile, and answers that
/// were late, say nothing of Redis. One loop looks, again and again; any thread asks.
/// </summary>
/// <param name="clock">The clock, which goes on while the process does not.</param>
/// <param name="shortest">From when on a gap between two looks is a pause.</param>
internal sealed class ProcessPauseDetector(TimeProvider clock, TimeSpan shortest)
{
    // Written by the loop alone.
    private long _looked = clock.GetTimestamp();
    private long _over = long.MinValue;

    public void Look(long now)
    {
        if (IsPause(now)) Volatile.Write(ref _over, now);
        Volatile.Write(ref _looked, now);
    }

    /// <summary>True where part of the time from <paramref name="began"/> to now was a pause, noticed or not yet.</summary>
    public bool Within(long began, long now) => IsPause(now) || began < Volatile.Read(ref _over);

    private bool IsPause(long now) => clock.GetElapsedTime(Volatile.Read(ref _looked), now) >= shortest;
}
