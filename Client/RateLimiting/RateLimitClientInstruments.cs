using System.Diagnostics.Metrics;

namespace Actors;

/// <summary>Records the metrics of <see cref="RateLimitClientTelemetry"/>; costs almost nothing without a listener.</summary>
internal static class RateLimitClientInstruments
{
    private static readonly Meter Meter = new(RateLimitClientTelemetry.MeterName);

    private static readonly Counter<long> Decisions =
        Meter.CreateCounter<long>(RateLimitClientTelemetry.Decisions, "{decision}", "Decisions returned to callers of limiters.");

    private static readonly Histogram<int> CallDecisions =
        Meter.CreateHistogram<int>(RateLimitClientTelemetry.CallDecisions, "{decision}", "Decisions per coalesced call to the cluster.");

    private static readonly Histogram<double> CallDuration =
        Meter.CreateHistogram<double>(RateLimitClientTelemetry.CallDuration, "s", "Duration of coalesced calls to the cluster.");

    public static void Decided(RateLimitDecision decision)
    {
        if (!Decisions.Enabled) return;
        var outcome = decision switch { { IsShadowDenial: true } => "shadow_denied", { IsAllowed: true } => "allowed", _ => "denied" };
        Decisions.Add(1, new(RateLimitClientTelemetry.OutcomeTag, outcome), new(RateLimitClientTelemetry.PolicyTag, decision.Policy));
    }

    public static void Undecided(string outcome) =>
        Decisions.Add(1, new KeyValuePair<string, object?>(RateLimitClientTelemetry.OutcomeTag, outcome));

    public static void Answered(int decisions, TimeSpan duration)
    {
        CallDecisions.Record(decisions);
        CallDuration.Record(duration.TotalSeconds);
    }
}
