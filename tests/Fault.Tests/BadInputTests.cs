using System.Diagnostics;
using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>An operator's error is reported in one line that names it, with the documented exit code.</summary>
public sealed class BadInputTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TemporaryDirectory _directory = new("bad-input");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Silo_of_another_service_does_not_use_the_data_of_the_first()
    {
        using (var first = await SiloProcess.StartAsync(_directory.Path, new Dictionary<string, string>(), "--Actors:ServiceId", "first"))
            await first.StopAsync();
        var run = await ProgramRun.RunAsync(
            DotnetProgram.Silo, _directory.Path, new Dictionary<string, string>(), "--Actors:ServiceId", "second");
        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains("belong to the service \"first\"", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error + run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silo_of_another_service_does_not_use_the_tables_of_the_first()
    {
        await using var postgres = await PostgresServer.StartNewAsync();
        var settings = new Dictionary<string, string> { ["ConnectionStrings__postgres"] = postgres.ConnectionString };
        using var elsewhere = new TemporaryDirectory("bad-input");
        using (var first = await SiloProcess.StartAsync(elsewhere.Path, settings, "--Actors:ServiceId", "first"))
            await first.StopAsync();
        var run = await ProgramRun.RunAsync(DotnetProgram.Silo, _directory.Path, settings, "--Actors:ServiceId", "second");
        Assert.True(run.ExitCode is 2 or 4, run.ToString());
        Assert.Contains("belong to the service \"first\"", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error + run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_shows_the_settings_and_starts_nothing()
    {
        var run = await ProgramRun.RunAsync(DotnetProgram.Silo, _directory.Path, new Dictionary<string, string>(), "--help");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("ConnectionStrings:redis", run.Output, StringComparison.Ordinal);
        Assert.Empty(run.Error);
        Assert.Empty(Directory.GetFileSystemEntries(_directory.Path));
    }

    // Uses SIGTERM: background processes of a shell ignore SIGINT, and so do their children.
    [Fact]
    public async Task Silo_that_waits_for_Redis_logs_it_and_stops_on_request()
    {
        var start = new ProcessStartInfo(DotnetProgram.Dotnet, [DotnetProgram.Silo, "--ConnectionStrings:redis", "127.0.0.1:1"])
        {
            WorkingDirectory = _directory.Path,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var silo = Process.Start(start)!;
        try
        {
            var said = await silo.StandardOutput.ReadLineAsync().WaitAsync(Limit);
            Assert.Contains("Redis at 127.0.0.1:1 (ConnectionStrings:redis) cannot be reached", said, StringComparison.Ordinal);
            Assert.Contains("The silo starts as soon as it answers", said, StringComparison.Ordinal);

            using var kill = Process.Start("kill", ["-TERM", $"{silo.Id}"]);
            await silo.WaitForExitAsync().WaitAsync(Limit);
            var rest = await silo.StandardOutput.ReadToEndAsync() + await silo.StandardError.ReadToEndAsync();
            Assert.DoesNotContain("   at ", rest, StringComparison.Ordinal);
        }
        finally
        {
            silo.Kill();
        }
    }
}
