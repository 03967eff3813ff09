using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>The exporter ignores invalid settings; a silo refuses to start with them.</summary>
public sealed class OtlpSettingsTests
{
    private const int BadConfiguration = 2;

    private static readonly (string Key, string Value, string Shown, string Allowed)[] Wrong =
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "not-a-url", "'not-a-url'", "use a URL with http or https"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "'collector:4317'", "use a URL with http or https"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://collector:4317", "'ftp://collector:4317'", "use a URL with http or https"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:secret@collector:4317", "(not shown)", "use a URL with http or https"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "'http/json'", "use grpc or http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "'10s'", "use a whole number of milliseconds"),
    ];

    [Fact]
    public async Task Invalid_settings_end_the_start_with_one_line()
    {
        using var directory = new TemporaryDirectory("otlp");
        await Task.WhenAll(Wrong.Select(async wrong =>
        {
            var environment = new Dictionary<string, string> { ["ConnectionStrings__redis"] = "", ["ConnectionStrings__postgres"] = "", [wrong.Key] = wrong.Value };
            var run = await ProgramRun.RunAsync(DotnetProgram.Silo, directory.Path, environment);
            Assert.True(run.ExitCode == BadConfiguration, run.ToString());
            var line = Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
            Assert.StartsWith($"error: {wrong.Key} is ", line, StringComparison.Ordinal);
            Assert.Contains(wrong.Shown, line, StringComparison.Ordinal);
            Assert.Contains(wrong.Allowed, line, StringComparison.Ordinal);
            Assert.DoesNotContain("secret", run.Output + run.Error, StringComparison.Ordinal);
        }));
    }
}
