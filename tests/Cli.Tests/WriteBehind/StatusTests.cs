using System.Text.Json;
using Actors.Cli.Commands;
using Actors.Cli.Tests.Breaker;
using Actors.Cli.Tests.Fakes;
using Actors.Cli.WriteBehind;

namespace Actors.Cli.Tests.WriteBehind;

public sealed class StatusTests : IDisposable
{
    private static readonly WriteBehindStatus Busy = new()
    {
        JournalWrites = 30_000,
        DatabaseWrites = 6_000,
        FlushedRows = 12_000,
        FlushedBatches = 32,
        UnflushedRows = 54_321,
        UnflushedBytes = 96L << 20,
        MaxUnflushedBytes = 128L << 20,
        OldestUnflushed = TimeSpan.FromSeconds(12.4),
        State = WriteBehindState.WritingThrough,
        FlushP50 = TimeSpan.FromMilliseconds(14),
        FlushP99 = TimeSpan.FromMilliseconds(321),
        FlushFailures = 2,
        LastFlushError = "\u001b[2Jit is [red]away",
        FenceHits = 3,
        RecoveredRows = 4_005,
        RefusedWrites = 6_007,
        SlowedWrites = 8_009,
    };

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Each_silo_has_a_row_with_its_figures()
    {
        using var shell = new Shell { Width = 200 };
        Show(shell);
        var result = await shell.RunAsync("writebehind", "status");
        Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
        AssertHolds(Row(result, Silos.First, "writing through"),
            "#########... 75 %", "54,321", "96.0 MiB", "128.0 MiB", "12 s", "3.0", "375", "321 ms", "8,009", "6,007", " 3 ", "4,005");
        AssertHolds(Row(result, Silos.Second, "buffering"), "............ 0 %", "64.0 MiB", " - ");
        AssertHolds(Row(result, "127.0.0.1:11113@1", "not responding"));
        AssertHolds(result.Output, "3 silos", $"{Silos.First}: 2 flush attempts failed, the last one: \\u001b[2Jit is [red]away");
        Assert.DoesNotContain('\u001b', result.Output);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(160)]
    public async Task Table_fits_a_narrow_terminal_without_truncated_figures(int width)
    {
        using var shell = new Shell { Width = width };
        Show(shell);
        var table = (await shell.RunAsync("writebehind", "status")).Output;
        AssertHolds(table, "writing through", "#########... 75 %", "54,321", "96.0 MiB", "128.0 MiB", "321 ms", "8,009", "6,007", "4,005", "fence hits");
        Assert.All(table.Split('\n').Where(line => !line.Contains("attempts", StringComparison.Ordinal)), line => Assert.True(line.TrimEnd().Length <= width, line));
    }

    [Fact]
    public async Task Json_has_all_figures_under_stable_names()
    {
        Show(_shell);
        var silos = (await _shell.RunAsync("writebehind", "status", "--json")).Json.GetProperty("silos");
        Assert.Equal((string[])["silo", "isResponding", "writeBehind"], Names(silos[0]));
        var status = silos[0].GetProperty("writeBehind");
        Assert.Equal(
            (string[])[
                "state", "unflushedRows", "unflushedBytes", "maxUnflushedBytes", "fill", "oldestUnflushedSeconds", "memoryWrites",
                "journalWrites", "databaseWrites", "refusedWrites", "slowedWrites", "journalCommits", "journaledRows",
                "flushedBatches", "flushedRows", "coalesceRatio", "averageBatch", "flushP50Seconds", "flushP99Seconds",
                "flushFailures", "lastFlushError", "lastFlushErrorAt", "fenceHits", "recoveredRows", "heldRows",
            ],
            Names(status));
        Assert.Equal("writingThrough", status.GetProperty("state").GetString());
        Assert.Equal(0.75, status.GetProperty("fill").GetDouble());
        Assert.Equal(3.0, status.GetProperty("coalesceRatio").GetDouble());
        Assert.Equal(0.321, status.GetProperty("flushP99Seconds").GetDouble(), 6);
        Assert.Equal(JsonValueKind.Null, silos[1].GetProperty("writeBehind").GetProperty("coalesceRatio").ValueKind);
        Assert.Equal(JsonValueKind.Null, silos[2].GetProperty("writeBehind").ValueKind);
    }

    [Fact]
    public async Task Status_can_be_watched()
    {
        Show(_shell);
        var result = await _shell.RunUntilAsync(() => _shell.Cluster.StatusCalls >= 3, "writebehind", "status", "--watch", "--json");
        Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
        var lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(lines.Length >= 2, result.Output);
        Assert.All(lines, line => Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(line).RootElement.ValueKind));
    }

    [Theory]
    [InlineData(0, "............ 0 %")]
    [InlineData(0.001, "#........... 0 %")]
    [InlineData(0.5, "######...... 50 %")]
    [InlineData(1, "############ 100 %")]
    [InlineData(1.2, "############ 120 %")]
    public void Share_is_drawn_as_a_bar(double share, string expected) => Assert.Equal(expected, StatusTable.Bar(share));

    [Fact]
    public void Each_state_has_its_own_colour() =>
        Assert.Equal((string[])["green", "yellow", "magenta", "red"], Enum.GetValues<WriteBehindState>().Select(StatusTable.Colour));

    private static void Show(Shell shell) => shell.Cluster.CurrentStatus = new()
    {
        Silos =
        [
            Silos.Of(Silos.First) with { WriteBehind = Busy },
            Silos.Of(Silos.Second) with { WriteBehind = new() { MaxUnflushedBytes = 64L << 20 } },
            Silos.NotResponding("127.0.0.1:11113@1"),
        ],
    };

    private static string Row(Result result, params string[] having) =>
        Assert.Single(result.Output.Split('\n'), line => having.All(part => line.Contains(part, StringComparison.Ordinal)));

    private static string[] Names(JsonElement value) => [.. value.EnumerateObject().Select(property => property.Name)];

    private static void AssertHolds(string text, params string[] parts) =>
        Assert.All(parts, part => Assert.Contains(part, text, StringComparison.Ordinal));
}
