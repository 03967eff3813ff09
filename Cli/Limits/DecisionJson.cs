namespace Actors.Cli.Limits;

/// <summary>Decisions as JSON: unformatted values, times in seconds.</summary>
internal static class DecisionJson
{
    public static object Of(string client, int permits, RateLimitDecision decision) => new
    {
        Client = client,
        Permits = permits,
        decision.IsAllowed,
        decision.IsShadowDenial,
        decision.Policy,
        decision.Limit,
        Window = Of(decision.Window),
        Windows = decision.Windows.Select(Of),
        decision.Remaining,
        RetryAfterSeconds = decision.RetryAfter.TotalSeconds,
        ResetAfterSeconds = decision.ResetAfter.TotalSeconds,
        decision.Source,
        decision.DecidedAt,
    };

    /// <summary>One decision of many, without the fields that are the same in all of them.</summary>
    public static object Of(RateLimitDecision decision) => new
    {
        decision.IsAllowed,
        decision.IsShadowDenial,
        Window = Of(decision.Window),
        decision.Remaining,
        RetryAfterSeconds = decision.RetryAfter.TotalSeconds,
        ResetAfterSeconds = decision.ResetAfter.TotalSeconds,
        decision.Source,
        decision.DecidedAt,
    };

    public static object Of(string client, RateLimitRequest request, IReadOnlyList<RateLimitDecision> decisions, TimeSpan elapsed) => new
    {
        Client = client,
        request.Policy,
        request.Permits,
        Seconds = elapsed.TotalSeconds,
        Calls = decisions.Count,
        Allowed = decisions.Count(decision => decision.IsAllowed),
        Denied = decisions.Count(decision => !decision.IsAllowed),
        Decisions = decisions.Select(Of),
    };

    public static object Of(RateLimitWindow window) => new { window.Limit, Seconds = window.Duration.TotalSeconds };
}
