namespace Actors.RateLimiting;

/// <summary>The services that a limiter needs from its grain.</summary>
internal interface ILimiterHost
{
    /// <summary>
    /// Calls <see cref="Limiter.Wake"/> after <paramref name="due"/> in a turn of the grain. Replaces an earlier request.
    /// </summary>
    void WakeAfter(Limiter limiter, TimeSpan due);

    /// <summary>Another activation has taken over the log, so this one should deactivate.</summary>
    void Fenced();

    /// <summary>Some grants are not in Redis, so this activation should stay for as long as they count.</summary>
    void OnUnsynced(TimeSpan longest);

    /// <summary>A call failed because of a defect, not because Redis is unreachable.</summary>
    void Failed(Exception error);

    /// <summary>The memory of the limiter has changed by this many bytes.</summary>
    void AddBytes(long more);
}
