using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors.Harness;

/// <summary>The result that a load printed.</summary>
public sealed record LoadResult(
    long Succeeded, long Failed, double P50Ms, double P99Ms, double LongestMs, double LongestFailedMs,
    long Abandoned, IReadOnlyDictionary<string, long> Failures, IReadOnlyDictionary<string, string> FirstFailures,
    IReadOnlyDictionary<string, long>? Durabilities, long? Allowed = null, long? Denied = null, long? Local = null)
{
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web) { NumberHandling = JsonNumberHandling.Strict };

    /// <summary>The options of the load.</summary>
    [JsonIgnore]
    public LoadOptions Options { get; init; } = new("");

    /// <summary>The ledger of acknowledged writes or grants; empty for reads.</summary>
    [JsonIgnore]
    public string Ledger { get; init; } = "";

    /// <summary>The timeline, one line per second.</summary>
    [JsonIgnore]
    public IReadOnlyList<TimelineSecond> Timeline { get; init; } = [];

    internal static LoadResult Parse(string json) => JsonSerializer.Deserialize<LoadResult>(json, Web)!;

    /// <summary>A single line for messages.</summary>
    public override string ToString() =>
        $"{Options.Name}: {Succeeded:#,0} succeeded, {Failed:#,0} failed"
        + (Failed == 0 ? "" : $" ({string.Join(", ", Failures.Select(failure => $"{failure.Key} {failure.Value:#,0}"))})")
        + (Durabilities is null ? "" : $"; receipts {string.Join(", ", Durabilities.Where(each => each.Value > 0).Select(each => $"{each.Key} {each.Value:#,0}"))}")
        + (Allowed is null ? "" : $"; {Allowed:#,0} allowed, {Denied:#,0} denied, {Local:#,0} without Redis")
        + (Abandoned == 0 ? "" : $"; {Abandoned:#,0} abandoned at the end")
        + $"; p50 {P50Ms:0.0} ms, p99 {P99Ms:0} ms, longest {LongestMs:#,0} ms, longest failed {LongestFailedMs:#,0} ms"
        + string.Concat(FirstFailures.Select(first => $"\n  the first {first.Key}: {first.Value}"));
}
