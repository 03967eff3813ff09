using System.Text;
using System.Text.Json;
using Actors.Cli.Load;

namespace Actors.Cli.Tests.Load;

public sealed class GrantEntryTests
{
    [Fact]
    public void Ledger_line_has_the_fields_that_checkers_need()
    {
        var at = new DateTimeOffset(2026, 11, 23, 9, 0, 0, TimeSpan.FromHours(2)).AddTicks(1_234_560);
        Assert.Equal(
            """{"client":"c1","policy":"default","permits":2,"at":"2026-11-23T07:00:00.123456Z","source":"redis","began":123.456,"ended":123.789}""",
            LineOf(new("c1", "default", 2, at, RateLimitSource.Redis, 123.456, 123.789)));
        Assert.Equal(
            """{"client":"\"ü\"","policy":"p","permits":1,"at":"2026-11-23T07:00:00.000000Z","source":"local","began":0.000001,"ended":86400.123457}""",
            LineOf(new("\"ü\"", "p", 1, at.AddTicks(-1_234_560), RateLimitSource.Local, 0.000001, 86400.1234567)));
    }

    private static string LineOf(GrantEntry entry)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            entry.WriteTo(json);
        return Encoding.UTF8.GetString(stream.ToArray());
    }
}
