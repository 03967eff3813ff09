using System.Globalization;
using System.Text.Json;

namespace Actors.Cli.Load;

/// <summary>
/// One granted call of a limiter: a line <c>{"client","policy","permits","at","source","began","ended"}</c> of a ledger.
/// </summary>
/// <param name="Client">The client.</param>
/// <param name="Policy">The policy that was charged.</param>
/// <param name="Permits">How many permits were granted.</param>
/// <param name="At">The time they count from, by the clock of Redis, to the microsecond.</param>
/// <param name="Source">What the decision rests on.</param>
/// <param name="Began">Just before the call, in seconds of a monotonic clock that all entries of a ledger share.</param>
/// <param name="Ended">Just after its answer, by the same clock.</param>
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
        // As decimals, which are written without an exponent.
        json.WriteNumber("began", Math.Round((decimal)Began, Microseconds));
        json.WriteNumber("ended", Math.Round((decimal)Ended, Microseconds));
        json.WriteEndObject();
    }
}
