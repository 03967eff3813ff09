namespace Actors;

/// <summary>The options of a <see cref="GrainRateLimiter"/>. Read once, when the limiter is created.</summary>
public sealed class GrainRateLimiterOptions
{
    /// <summary>The policy that is charged. Default: "default".</summary>
    public string Policy { get; set; } = RateLimits.DefaultPolicy;

    /// <summary>
    /// The maximum time <see cref="System.Threading.RateLimiting.RateLimiter.AcquireAsync"/> waits for permits, in the client's queue
    /// in the cluster. Default: zero, which answers immediately.
    /// </summary>
    /// <value>0 to <see cref="RateLimits.MaxWait"/>.</value>
    public TimeSpan MaxWait { get; set; }

    /// <summary>
    /// The maximum time a caller waits for the cluster (in addition to <see cref="MaxWait"/>) before <see cref="WhenUnreachable"/>
    /// decides. Default: 1 second.
    /// </summary>
    /// <value>1 millisecond to 1 minute.</value>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The decision if the cluster does not answer. Default: <see cref="WhenUnreachable.Allow"/>.</summary>
    public WhenUnreachable WhenUnreachable { get; set; }

    /// <summary>
    /// The maximum number of calls of one client that wait in this process to be sent, besides those in flight. A further call is
    /// denied at once, with a RetryAfter. Default: 10,000.
    /// </summary>
    /// <value>1 to 1,000,000.</value>
    public int MaxQueued { get; set; } = 10_000;

    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    /// <exception cref="InvalidRateLimitException">The policy name is invalid.</exception>
    internal void Validate()
    {
        RateLimits.ValidatePolicyName(Policy);
        Check(MaxWait >= TimeSpan.Zero && MaxWait <= RateLimits.MaxWait, nameof(MaxWait), MaxWait, $"{TimeSpan.Zero} to {RateLimits.MaxWait}");
        Check(
            CallTimeout >= TimeSpan.FromMilliseconds(1) && CallTimeout <= TimeSpan.FromMinutes(1), nameof(CallTimeout), CallTimeout,
            $"{TimeSpan.FromMilliseconds(1)} to {TimeSpan.FromMinutes(1)}");
        Check(Enum.IsDefined(WhenUnreachable), nameof(WhenUnreachable), WhenUnreachable, "Allow and Deny");
        Check(MaxQueued is >= 1 and <= 1_000_000, nameof(MaxQueued), MaxQueued, "1 to 1000000");

        static void Check(bool holds, string option, object value, string allowed)
        {
            if (!holds) throw new ArgumentOutOfRangeException(option, value, $"{option} is {value}; use {allowed}.");
        }
    }
}
