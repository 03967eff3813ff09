using System.ComponentModel.DataAnnotations;

namespace Actors.Redis;

/// <summary>When the silo stops calling Redis and how it resumes: section <c>Actors:Breaker</c>.</summary>
public sealed class BreakerOptions
{
    /// <summary>The configuration section of these options.</summary>
    public const string Section = "Actors:Breaker";

    /// <summary>The time limit of one call. A call that exceeds it is abandoned and counts as failed. Default: 1 s.</summary>
    /// <value>10 ms to 1 minute.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00")]
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// An answer that took longer counts as a failure, although it is used. It does not count if this process was paused
    /// meanwhile. Default: 250 ms.
    /// </summary>
    /// <value>50 ms to 1 minute.</value>
    [Range(typeof(TimeSpan), "00:00:00.050", "00:01:00")]
    public TimeSpan SlowCallDuration { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The share of failed and slow calls within <see cref="SamplingDuration"/> that opens the circuit. Default: 0.5.</summary>
    /// <value>0.01 to 1.</value>
    [Range(0.01, 1.0)]
    public double FailureRatio { get; set; } = 0.5;

    /// <summary>The minimum number of calls within <see cref="SamplingDuration"/> for their ratio to count. Default: 20.</summary>
    /// <value>2 to 1,000,000.</value>
    [Range(2, 1_000_000)]
    public int MinimumThroughput { get; set; } = 20;

    /// <summary>The sliding window over which <see cref="FailureRatio"/> is computed. Default: 10 s.</summary>
    /// <value>500 ms to 10 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:00.500", "00:10:00")]
    public TimeSpan SamplingDuration { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long Redis may give no good answer, while calls wait or fail, before the circuit opens. A ratio alone would still
    /// count earlier good answers. Default: 500 ms.
    /// </summary>
    /// <value>10 ms to 1 minute.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00")]
    public TimeSpan SilenceDuration { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// How long the circuit stays open before Redis is probed. It doubles with each break that follows soon. Default: 1 s.
    /// </summary>
    /// <value>10 ms to 10 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:10:00")]
    public TimeSpan BreakDuration { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest break, and so the longest time until a recovered Redis is noticed. Default: 5 s.</summary>
    /// <value>10 ms to 1 hour.</value>
    [Range(typeof(TimeSpan), "00:00:00.010", "01:00:00")]
    public TimeSpan MaxBreakDuration { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The fraction by which a break is shortened at random, to prevent silos from probing in step. Default: 0.2.</summary>
    /// <value>0 to 0.9.</value>
    [Range(0.0, 0.9)]
    public double BreakJitter { get; set; } = 0.2;

    /// <summary>The number of probes after a break. Default: 5.</summary>
    /// <value>1 to 100.</value>
    [Range(1, 100)]
    public int Probes { get; set; } = 5;

    /// <summary>How many of <see cref="Probes"/> must succeed before calls go to Redis again. Default: 3.</summary>
    /// <value>1 to <see cref="Probes"/>.</value>
    [Range(1, 100)]
    public int RequiredProbes { get; set; } = 3;

    /// <summary>The pause between two probes. A closed circuit without traffic is probed every second. Default: 100 ms.</summary>
    /// <value>1 ms to 1 minute.</value>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:01:00")]
    public TimeSpan ProbeInterval { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The time limit of a probe. Default: 250 ms.</summary>
    /// <value>1 ms to 1 minute.</value>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:01:00")]
    public TimeSpan ProbeTimeout { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>How long the ramp after the probes takes, from a tenth of the calls to all of them. Default: 1 s.</summary>
    /// <value>0 to 10 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan RampDuration { get; set; } = TimeSpan.FromSeconds(1);
}
