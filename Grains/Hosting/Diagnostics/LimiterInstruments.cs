using System.Diagnostics.Metrics;
using Actors.Core;
using Actors.RateLimiting;

namespace Actors.Hosting;

/// <summary>The instruments of the rate limiters.</summary>
internal static class LimiterInstruments
{
    public static void AddTo(Meter meter, LimiterCounters counters, RateLimitOptions options)
    {
        meter.CreateObservableCounter(
            ActorsTelemetry.LimitDecisions,
            () => counters.Decisions.Where(each => each.Count > 0).Select(each => new Measurement<long>(
                each.Count,
                new(ActorsTelemetry.PolicyTag, each.Policy),
                Tag(ActorsTelemetry.OutcomeTag, each.Outcome.ToString()),
                Tag(ActorsTelemetry.SourceTag, each.By.ToString()))),
            "{decision}", "Limiter decisions.");
        meter.CreateObservableCounter(ActorsTelemetry.LimitScripts, () => counters.ScriptCalls, "{call}", "Limiter script calls to Redis.");
        meter.CreateObservableGauge(ActorsTelemetry.LimitScriptsPerDecision, Ratio, null, "Limiter script calls per decision.");
        meter.CreateObservableGauge(ActorsTelemetry.LimitClients, () => counters.Clients, "{client}", "Rate-limited clients active on this silo.");
        meter.CreateObservableGauge(ActorsTelemetry.LimitWaiting, () => counters.Waiting, "{call}", "Calls waiting for permits.");
        meter.CreateObservableGauge(
            ActorsTelemetry.LimitUnsynced, () => counters.Unsynced, "{log}", "Logs with grants that Redis does not have yet.");
        meter.CreateObservableGauge(ActorsTelemetry.LimitBytes, () => counters.Bytes, "By", "Memory used by the grant logs.");
        meter.CreateObservableGauge(ActorsTelemetry.LimitCeiling, () => options.MaxMemory, "By", "The ceiling for the memory of the grant logs.");

        IEnumerable<Measurement<double>> Ratio()
        {
            if (counters.Decisions.Sum(each => each.Count) is > 0 and var decisions) yield return new(counters.ScriptCalls / (double)decisions);
        }
    }

    /// <summary>The rate limiters of the silo, for its status.</summary>
    public static RateLimitStatus Status(LimiterCounters counters, RateLimitOptions options)
    {
        var decisions = counters.Decisions.ToList();
        return new()
        {
            Clients = counters.Clients,
            Allowed = Sum(each => each.Outcome == Outcome.Allowed),
            Denied = Sum(each => each.Outcome == Outcome.Denied),
            ShadowDenied = Sum(each => each.Outcome == Outcome.ShadowDenied),
            Local = Sum(each => each.By == DecidedBy.Local),
            Mirrored = Sum(each => each.By == DecidedBy.Mirror),
            Waiting = counters.Waiting,
            ScriptCalls = counters.ScriptCalls,
            Bytes = counters.Bytes,
            MaxBytes = options.MaxMemory,
            Unsynced = counters.Unsynced,
        };

        long Sum(Func<(string Policy, Outcome Outcome, DecidedBy By, long Count), bool> counts) => decisions.Where(counts).Sum(each => each.Count);
    }

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value.ToLowerInvariant());
}
