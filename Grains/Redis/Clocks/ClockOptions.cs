namespace Actors.Redis;

/// <summary>How far clocks may differ.</summary>
public sealed class ClockOptions
{
    /// <summary>
    /// A silo whose clock differs by more from that of Redis, and of the database if there is one to ask, does not start. One
    /// that runs goes on and is degraded. Default: no limit.
    /// </summary>
    public TimeSpan MaxSkew { get; set; } = TimeSpan.MaxValue;
}
