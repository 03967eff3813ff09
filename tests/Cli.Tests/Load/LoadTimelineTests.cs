using System.Globalization;
using System.Text.Json;
using Actors.Cli.Commands;
using Actors.Cli.Load;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Load;

public sealed class LoadTimelineTests : IDisposable
{
    private readonly Shell _shell = new();

    private string File => _shell.Path("timeline");

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Call_counts_in_the_second_of_its_end_and_idle_seconds_have_a_line()
    {
        var clock = new StandingClock();
        await using (var timeline = new LoadTimeline(File, LoadOutcomes.Durabilities, clock))
        {
            timeline.Success(clock.GetTimestamp(), "journal");
            var started = clock.GetTimestamp();
            clock.Pass(TimeSpan.FromSeconds(2.5));
            timeline.Success(started, "database");
            timeline.Failure(started, "TimeoutException");
            clock.Pass(TimeSpan.FromSeconds(0.5));
            timeline.Success(clock.GetTimestamp(), "memory");
            await timeline.CompleteAsync();
        }

        var lines = Lines();
        Assert.Equal([0, 1, 2, 3], lines.Select(line => line.GetProperty("second").GetInt64()));
        Assert.Equal([1, 0, 1, 1], lines.Select(line => line.GetProperty("succeeded").GetInt64()));
        Assert.Equal([0, 0, 1, 0], lines.Select(line => line.GetProperty("failed").GetInt64()));
        Assert.Equal(["2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z", "2026-01-01T00:00:03.000Z"],
            lines.Select(line => line.GetProperty("at").GetString()));
        foreach (var figure in (string[])["p50Ms", "p99Ms", "longestMs", "longestFailedMs"])
            Assert.InRange(lines[2].GetProperty(figure).GetDouble(), 2475, 2525);
        Assert.Equal("""{"TimeoutException":1}""", lines[2].GetProperty("failures").GetRawText());
        Assert.Equal("""{"journal":1,"database":0}""", lines[0].GetProperty("durabilities").GetRawText());
        Assert.Equal("""{"journal":0,"database":0}""", lines[1].GetProperty("durabilities").GetRawText());
        Assert.Equal(1, lines[3].GetProperty("durabilities").GetProperty("memory").GetInt64());
    }

    [Fact]
    public async Task Timeline_is_written_during_the_load_and_matches_its_totals()
    {
        var attempts = 0;
        _shell.Cluster.BeforeWrite = async (_, _, _) =>
        {
            await Task.Delay(1);
            if (Interlocked.Increment(ref attempts) % 20 == 0)
                throw new TimeoutException();
        };
        var result = await _shell.RunUntilAsync(
            () => System.IO.File.Exists(File) && Lines().Length >= 2,
            "load", "writes", "--seconds", "86400", "--users", "50", "--concurrency", "8", "--timeline", File,
            "--durability", "journal,database", "--json");

        var lines = Lines();
        Assert.True(lines.Length >= 2);
        Assert.Equal(Enumerable.Range(0, lines.Length), lines.Select(line => line.GetProperty("second").GetInt32()));
        Assert.Equal(result.Json.GetProperty("succeeded").GetInt64(), lines.Sum(line => line.GetProperty("succeeded").GetInt64()));
        Assert.Equal(result.Json.GetProperty("failed").GetInt64(), lines.Sum(line => line.GetProperty("failed").GetInt64()));
        foreach (var durability in (string[])["journal", "database"])
        {
            var receipts = result.Json.GetProperty("durabilities").GetProperty(durability).GetInt64();
            Assert.True(receipts > 0);
            Assert.Equal(receipts, lines.Sum(line => line.GetProperty("durabilities").GetProperty(durability).GetInt64()));
        }
    }

    [Fact]
    public async Task Timeline_of_reads_has_no_durabilities()
    {
        _shell.Cluster.BeforeRead = _ => Task.Delay(1);
        var result = await _shell.RunAsync("load", "reads", "--seconds", "20", "--users", "5", "--timeline", File, "--json");
        Assert.Equal(ExitCode.Done, result.ExitCode);
        var lines = Lines();
        Assert.Equal(result.Json.GetProperty("succeeded").GetInt64(), lines.Sum(line => line.GetProperty("succeeded").GetInt64()));
        Assert.All(lines, line => Assert.False(line.TryGetProperty("durabilities", out _)));
    }

    [Fact]
    public async Task Unwritable_timeline_is_an_error()
    {
        var result = await _shell.RunAsync("load", "writes", "--seconds", "5", "--timeline", _shell.Path("no/such/directory"));
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        result.OnlyError();
    }

    [Theory]
    [InlineData("journal,safe", "--durability 'safe': use memory, journal, database")]
    [InlineData("journal,", "--durability '': use memory, journal, database")]
    public async Task Each_of_several_durabilities_must_be_valid(string durabilities, string expected)
    {
        var result = await _shell.RunAsync("load", "writes", "--durability", durabilities);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
    }

    private JsonElement[] Lines()
    {
        using var reader = new StreamReader(new FileStream(File, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));

        // Text after the last line break is a line that is still being written.
        return [.. reader.ReadToEnd().Split('\n')[..^1].Select(line => JsonDocument.Parse(line).RootElement)];
    }

    /// <summary>Stands still until it is advanced. Timers follow the real time.</summary>
    private sealed class StandingClock : TimeProvider
    {
        private long _passed;

        public void Pass(TimeSpan time) => Interlocked.Add(ref _passed, time.Ticks);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _passed);

        public override DateTimeOffset GetUtcNow() =>
            DateTimeOffset.Parse("2026-01-01T00:00:00Z", CultureInfo.InvariantCulture).AddTicks(GetTimestamp());
    }
}
