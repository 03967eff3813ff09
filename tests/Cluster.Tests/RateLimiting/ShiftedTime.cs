namespace Actors.Cluster.Tests.RateLimiting;

/// <summary>The time of a machine whose clock is off. What only measures how time passes is as it is there: right.</summary>
internal sealed class ShiftedTime(TimeSpan ahead) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + ahead;
}
