namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>The time of a machine with a wrong clock. Elapsed time stays correct.</summary>
internal sealed class ShiftedTime(TimeSpan ahead) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + ahead;
}
