namespace Actors.Redis;

/// <summary>
/// Detects when this process did not run (stopped, migrated, starved). Timeouts and slow answers during such a pause do not
/// show a problem of Redis. One loop calls <see cref="Look"/> repeatedly; any thread may ask.
/// </summary>
/// <param name="clock">A clock that continues while the process does not run.</param>
/// <param name="shortest">The shortest gap between two looks that counts as a pause.</param>
internal sealed class ProcessPauseDetector(TimeProvider clock, TimeSpan shortest)
{
    // Written by the loop only.
    private long _looked = clock.GetTimestamp();
    private long _over = long.MinValue;

    public void Look(long now)
    {
        if (IsPause(now)) Volatile.Write(ref _over, now);
        Volatile.Write(ref _looked, now);
    }

    /// <summary>True if part of the time from <paramref name="began"/> to now was a pause, already noticed or not.</summary>
    public bool Within(long began, long now) => IsPause(now) || began < Volatile.Read(ref _over);

    private bool IsPause(long now) => clock.GetElapsedTime(Volatile.Read(ref _looked), now) >= shortest;
}
