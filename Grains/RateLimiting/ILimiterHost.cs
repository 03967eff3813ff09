namespace Actors.RateLimiting;

/// <summary>The services of a limiter grain for its parts. Called in its turns, except where noted.</summary>
internal interface ILimiterHost
{
    /// <summary>
    /// Calls <see cref="Limiter.Wake"/> of the policy's limiter after <paramref name="due"/> in a turn of the grain. Replaces an
    /// earlier request.
    /// </summary>
    void WakeAfter(string policy, TimeSpan due);

    /// <summary>Another activation has taken over the log, so this one should deactivate.</summary>
    void Fenced();

    /// <summary>Some grants are not in Redis, so this activation should stay for as long as they count.</summary>
    void OnUnsynced(TimeSpan longest);

    /// <summary>A call failed because of a defect, not because Redis is unreachable.</summary>
    void Failed(Exception error);

    /// <summary>The memory of the client has changed by this many bytes.</summary>
    void AddBytes(long more);

    /// <summary>
    /// The silo's memory is full, so this activation should deactivate unless something of it is only here. Thread-safe.
    /// </summary>
    void AskToLeave();
}
