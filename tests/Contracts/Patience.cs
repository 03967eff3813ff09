using Actors.Redis;

namespace Actors.Contracts;

/// <summary>For tests that are not about the breaker: on a busy machine a late answer must not open a circuit.</summary>
public static class Patience
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    /// <summary>A breaker that waits for late answers, and opens only for a Redis that is gone.</summary>
    public static BreakerOptions Breaker { get; } = new() { CallTimeout = Long, SlowCallDuration = Long, SilenceDuration = Long, ProbeTimeout = Long };
}
