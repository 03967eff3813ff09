namespace Actors.RateLimiting;

/// <summary>Puts into words what a limiter has decided: what is left, and when there is more, by its log and its line.</summary>
internal sealed class Decisions(GrantLogSession log, WaitingLine line)
{
    private Windows Windows => log.Windows;

    private RateLimitPolicy Policy => log.Windows.Policy;

    /// <summary>The permits left in the window that has the fewest.</summary>
    public (int Window, long Left) Tightest(long now)
    {
        var window = Windows.Tightest(log.Grants, now);
        return (window, Windows.Left(window, log.Grants, now));
    }

    /// <summary>A grant at <paramref name="at"/> that leaves so many permits in the window that has the fewest.</summary>
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

    /// <summary>A denial now, of so many permits, behind all who wait.</summary>
    public RateLimitDecision Denied(int permits, long now, DecidedBy source)
    {
        var (_, window) = Windows.WhenFree(log.Grants, permits);
        var turn = Math.Max(now + 1, line.TurnOf(permits, log));
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

    /// <summary>A denial since Redis is away and the policy says so: nobody knows for how long.</summary>
    public RateLimitDecision Down(int permits, long now, TimeSpan retryAfter) => Denied(permits, now, DecidedBy.Local) with { RetryAfter = retryAfter };

    private TimeSpan ResetAfter(int window, long now) => TimeSpan.FromMicroseconds(
        log.Grants.Count == 0 ? 0 : Math.Max(0, log.Grants.Newest + Windows.Duration(window) - now));

    private static RateLimitSource SourceOf(DecidedBy source) => source == DecidedBy.Local ? RateLimitSource.Local : RateLimitSource.Redis;

    private static DateTimeOffset ToTime(long microseconds) => DateTimeOffset.UnixEpoch.AddMicroseconds(microseconds);
}
