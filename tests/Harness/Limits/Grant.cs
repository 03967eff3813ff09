using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors.Harness.Limits;

/// <summary>A grant as recorded by the caller.</summary>
/// <param name="Client">The client.</param>
/// <param name="Policy">The policy.</param>
/// <param name="Permits">The number of permits.</param>
/// <param name="At">The grant time reported by the limiter: the clock of Redis, in microseconds since 1970.</param>
/// <param name="Source">redis or local: the source of the decision reported by the limiter.</param>
/// <param name="Began">The start of the call, in seconds of a monotonic clock of the calling process.</param>
/// <param name="Ended">The time of its response on the same clock.</param>
public readonly record struct Grant(
    string Client, string Policy, int Permits, [property: JsonConverter(typeof(Microseconds))] long At, string Source, double Began, double Ended);

/// <summary>A ledger time, 2026-01-31T12:00:00.123456Z, as microseconds since 1970.</summary>
internal sealed class Microseconds : JsonConverter<long>
{
    public override long Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        (reader.GetDateTimeOffset() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    public override void Write(Utf8JsonWriter writer, long value, JsonSerializerOptions options) =>
        writer.WriteStringValue(DateTimeOffset.UnixEpoch.AddTicks(value * TimeSpan.TicksPerMicrosecond).UtcDateTime
            .ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture));
}

/// <summary>All grants of one calling process; two processes share only the clock of Redis.</summary>
public sealed record GrantLedger(IReadOnlyList<Grant> Grants)
{
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web) { RespectRequiredConstructorParameters = true };

    /// <summary>Reads a file with one grant per line, without the code under test.</summary>
    /// <exception cref="InvalidDataException">A line is invalid. Skipping it could miss a full window.</exception>
    public static GrantLedger Read(string file)
    {
        var grants = new List<Grant>();
        foreach (var line in File.ReadLines(file))
        {
            var grant = JsonSerializer.Deserialize<Grant>(line, Web);
            if (grant.Permits < 1 || grant.At <= 0 || grant.Ended < grant.Began || grant.Source is not ("redis" or "local"))
                throw new InvalidDataException($"{file}, line {grants.Count + 1} is not a grant: {line}");
            grants.Add(grant);
        }
        return new(grants);
    }

    /// <summary>Writes such a file.</summary>
    public void Write(string file) => File.WriteAllLines(file, Grants.Select(grant => JsonSerializer.Serialize(grant, Web)));
}
