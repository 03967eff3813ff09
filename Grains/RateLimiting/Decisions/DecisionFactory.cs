namespace Actors.RateLimiting;

/// <summary>
/// Builds the decisions that callers receive: what is left, and when more is free, from the log and the waiting line.
/// </summary>
internal sealed class DecisionFactory(LogCopy log, WaitingLine line)
{
    private Windows Windows => log.Windows;

    private RateLimitPolicy Policy => log.Policy;

    /// <summary>The permits left in the window with the fewest.</summary>
    public (int Window, long Left) Tightest(long now)
    {
        var window = Windows.Tightest(log.Grants, now);
        return (window, Windows.Left(window, log.Grants, now));
    }

    /// <summary>A grant at <paramref name="at"/>, with the permits left in the tightest window.</summary>
    public RateLimitDecision Allowed((int Window, long Left) tightest, long now, long at, DecidedBy source) => new()
    {
        IsAllowed = true,
        Policy = Policy.Name,
        Window = Policy.Windows[tightest.Window],
        Windows = Policy.Windows,
        Remaining = (int)Math.Max(0, tightest.Left),
        ResetAfter = ResetAfter(tightest.Window, now),
        Source = SourceOf(source),
        DecidedAt = ToTime(at),
    };

    /// <summary>A denial now, with the retry delay behind all waiting calls.</summary>
    public RateLimitDecision Denied(int permits, long now, DecidedBy source)
    {
        var (_, window) = Windows.WhenFree(log.Grants, permits);
        var turn = Math.Max(now + 1, line.TurnOf(permits));
        return new()
        {
            IsAllowed = Policy.IsShadow,
            IsShadowDenial = Policy.IsShadow,
            Policy = Policy.Name,
            Window = Policy.Windows[window],
            Windows = Policy.Windows,
            Remaining = (int)Math.Max(0, Windows.Left(window, log.Grants, now)),
            RetryAfter = TimeSpan.FromMicroseconds(turn - now),
            ResetAfter = ResetAfter(window, now),
            Source = SourceOf(source),
            DecidedAt = ToTime(now),
        };
    }

    /// <summary>A denial because Redis is unreachable and the policy denies then; the duration is unknown.</summary>
    public RateLimitDecision Down(int permits, long now, TimeSpan retryAfter) =>
        Denied(permits, now, DecidedBy.Local) with { RetryAfter = retryAfter };

    /// <summary>The time of a decision as it is stored, in microseconds.</summary>
    public static long ToMicroseconds(DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    private TimeSpan ResetAfter(int window, long now) => TimeSpan.FromMicroseconds(
        log.Grants.Count == 0 ? 0 : Math.Max(0, log.Grants.Newest + Windows.Duration(window) - now));

    private static RateLimitSource SourceOf(DecidedBy source) => source == DecidedBy.Local ? RateLimitSource.Local : RateLimitSource.Redis;

    private static DateTimeOffset ToTime(long microseconds) => DateTimeOffset.UnixEpoch.AddMicroseconds(microseconds);
}
