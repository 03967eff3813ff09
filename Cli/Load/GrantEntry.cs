using System.Globalization;
using System.Text.Json;

namespace Actors.Cli.Load;

/// <summary>
/// One granted call of a limiter: the ledger line <c>{"client","policy","permits","at","source","began","ended"}</c>.
/// </summary>
/// <param name="Client">The client.</param>
/// <param name="Policy">The charged policy.</param>
/// <param name="Permits">The granted permits.</param>
/// <param name="At">The time the permits count from, on the Redis clock, to the microsecond.</param>
/// <param name="Source">The source of the decision.</param>
/// <param name="Began">Just before the call, in seconds on a monotonic clock shared by all entries of a ledger.</param>
/// <param name="Ended">Just after the answer, on the same clock.</param>
internal readonly record struct GrantEntry(
    string Client, string Policy, int Permits, DateTimeOffset At, RateLimitSource Source, double Began, double Ended) : ILedgerLine
{
    private const int Microseconds = 6;

    public void WriteTo(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("client", Client);
        json.WriteString("policy", Policy);
        json.WriteNumber("permits", Permits);
        json.WriteString("at", At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture));
        json.WriteString("source", Output.Text.Of(Source));
        // Decimals are written without an exponent.
        json.WriteNumber("began", Math.Round((decimal)Began, Microseconds));
        json.WriteNumber("ended", Math.Round((decimal)Ended, Microseconds));
        json.WriteEndObject();
    }
}
