using Actors.Redis;

namespace Actors.Contracts;

/// <summary>For tests that do not concern the breaker: a late response on a busy machine must not open a circuit.</summary>
public static class Patience
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    /// <summary>A breaker that tolerates late responses and opens only if Redis is gone.</summary>
    public static BreakerOptions Breaker { get; } = new() { CallTimeout = Long, SlowCallDuration = Long, SilenceDuration = Long, ProbeTimeout = Long };
}
