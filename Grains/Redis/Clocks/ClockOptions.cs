namespace Actors.Redis;

/// <summary>How far clocks may differ.</summary>
public sealed class ClockOptions
{
    /// <summary>
    /// The maximum difference from the clocks of Redis and the database. A silo beyond it does not start; a running silo
    /// becomes degraded. Default: no limit.
    /// </summary>
    public TimeSpan MaxSkew { get; set; } = TimeSpan.MaxValue;
}
