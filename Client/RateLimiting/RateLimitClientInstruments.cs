using System.Diagnostics.Metrics;

namespace Actors;

/// <summary>Counts what <see cref="RateLimitClientTelemetry"/> names; next to nothing where nobody listens.</summary>
internal static class RateLimitClientInstruments
{
    private static readonly Meter Meter = new(RateLimitClientTelemetry.MeterName);

    private static readonly Counter<long> Decisions =
        Meter.CreateCounter<long>(RateLimitClientTelemetry.Decisions, "{decision}", "What callers of limiters were told.");

    private static readonly Histogram<int> CallDecisions =
        Meter.CreateHistogram<int>(RateLimitClientTelemetry.CallDecisions, "{decision}", "Decisions per gathered call to the cluster.");

    private static readonly Histogram<double> CallDuration =
        Meter.CreateHistogram<double>(RateLimitClientTelemetry.CallDuration, "s", "How long the cluster took to answer such a call.");

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
