namespace Actors.RateLimiting;

/// <summary>What a limiter asks of the grain it belongs to.</summary>
internal interface ILimiterHost
{
    /// <summary>Calls <see cref="Limiter.Wake"/> after <paramref name="due"/>, in a turn of the grain; what was asked for before is forgotten.</summary>
    void WakeAfter(Limiter limiter, TimeSpan due);

    /// <summary>Another activation has taken the log over: this one had better go.</summary>
    void Fenced();

    /// <summary>There are grants that Redis does not know: this activation had better stay for as long as they count.</summary>
    void IsUnsynced(TimeSpan longest);

    /// <summary>A call failed, and not because Redis is away: a defect.</summary>
    void Failed(Exception error);

    /// <summary>The memory it takes has changed by so many bytes.</summary>
    void AddBytes(long more);
}
