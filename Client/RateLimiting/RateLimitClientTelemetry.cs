namespace Actors;

/// <summary>
/// The names of the metrics of a client app's limiters (OpenTelemetry). Stable: dashboards and alerts depend on them.
/// </summary>
public static class RateLimitClientTelemetry
{
    /// <summary>The meter of all instruments below.</summary>
    public const string MeterName = "Actors.Client";

    /// <summary>
    /// Counter, {decision}: decisions returned to callers; with <see cref="OutcomeTag"/>, and <see cref="PolicyTag"/> if the cluster
    /// decided.
    /// </summary>
    public const string Decisions = "actors.client.limiter.decisions";

    /// <summary>Histogram, {decision}: decisions per coalesced call to the cluster.</summary>
    public const string CallDecisions = "actors.client.limiter.call_decisions";

    /// <summary>Histogram, s: the duration of coalesced calls to the cluster.</summary>
    public const string CallDuration = "actors.client.limiter.call_duration";

    /// <summary>
    /// allowed, denied, shadow_denied (allowed, because the policy is in shadow mode); unreachable_allowed, unreachable_denied
    /// (by <see cref="WhenUnreachable"/>); fallback_allowed, fallback_denied (by the last known limits, while only this client
    /// gets no answer); overloaded_denied; misconfigured_denied (the silos do not know the policy).
    /// </summary>
    public const string OutcomeTag = "outcome";

    internal const string UnreachableAllowed = "unreachable_allowed";
    internal const string UnreachableDenied = "unreachable_denied";
    internal const string FallbackAllowed = "fallback_allowed";
    internal const string FallbackDenied = "fallback_denied";
    internal const string OverloadedDenied = "overloaded_denied";
    internal const string MisconfiguredDenied = "misconfigured_denied";

    /// <summary>The name of the policy.</summary>
    public const string PolicyTag = "policy";
}
