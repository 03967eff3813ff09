namespace Actors;

/// <summary>How a <see cref="GrainRateLimiter"/> asks the cluster. Read once, when the limiter is made.</summary>
public sealed class GrainRateLimiterOptions
{
    /// <summary>The policy that is charged. Default: "default".</summary>
    public string Policy { get; set; } = RateLimits.DefaultPolicy;

    /// <summary>
    /// How long <see cref="System.Threading.RateLimiting.RateLimiter.AcquireAsync"/> waits for permits at most, in the queue
    /// that the cluster keeps for the client. Default: zero, which answers now.
    /// </summary>
    /// <value>0 to <see cref="RateLimits.MaxWait"/>.</value>
    public TimeSpan MaxWait { get; set; }

    /// <summary>
    /// How long a caller waits for the cluster at most (with <see cref="MaxWait"/>: beyond it), before
    /// <see cref="WhenUnreachable"/> decides. Default: 1 second.
    /// </summary>
    /// <value>1 millisecond to 1 minute.</value>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>What is decided where the cluster does not answer. Default: <see cref="WhenUnreachable.Allow"/>.</summary>
    public WhenUnreachable WhenUnreachable { get; set; }

    /// <summary>
    /// How many calls of one client may wait here for their turn to be sent, besides those being decided; one more is
    /// denied at once, with a RetryAfter. Default: 10,000.
    /// </summary>
    /// <value>1 to 1,000,000.</value>
    public int MaxQueued { get; set; } = 10_000;

    /// <exception cref="ArgumentOutOfRangeException">A value is outside of what is allowed.</exception>
    /// <exception cref="InvalidRateLimitException">The policy is no name.</exception>
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
            if (!holds) throw new ArgumentOutOfRangeException(option, value, $"{option} is {value}; allowed are {allowed}.");
        }
    }
}
