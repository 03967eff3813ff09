using Actors.Cli.Commands;
using Actors.Cli.Tests.Breaker;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Output;

/// <summary>The output on small terminals.</summary>
public sealed class NarrowTerminalTests
{
    private const string Sixth = "[2001:db8::1:2:3]:11111@1543";
    private const string Clear = "\u001b[2J";

    [Theory]
    [InlineData("breaker list", 40)]
    [InlineData("breaker list", 80)]
    [InlineData("breaker list --transitions 50", 45)]
    [InlineData("breaker health", 40)]
    [InlineData("breaker health", 80)]
    [InlineData("cluster status", 40)]
    [InlineData("cluster status", 80)]
    [InlineData("writebehind status", 40)]
    [InlineData("writebehind status", 80)]
    public async Task Addresses_are_never_wrapped_and_lines_fit_the_width(string command, int width)
    {
        using var shell = new Shell { Width = width };
        shell.Cluster.CurrentStatus = new()
        {
            Silos =
            [
                Silos.Of(Silos.First, Silos.Open()) with
                {
                    WriteBehind = new() { JournalWrites = 1_234_567, LastFlushError = "the database is away for the moment", FlushFailures = 2 },
                },
                Silos.Of(Sixth, Silos.Closed("[2001:db8::9]:6379")),
                Silos.NotResponding(Silos.Second),
            ],
        };
        var result = await shell.RunAsync(command.Split(' '));
        Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
        var addresses = command.StartsWith("breaker health", StringComparison.Ordinal)
            ? (string[])["127.0.0.1:6379", "[2001:db8::9]:6379", Silos.Second]
            : [Silos.First, Sixth, Silos.Second];
        Assert.All(addresses, address => Assert.Contains(address, result.Output, StringComparison.Ordinal));
        Assert.Matches(@"not\s+responding", result.Output);
        Assert.All(result.Output.Split('\n'), line => Assert.True(line.TrimEnd().Length <= width, $"{line.TrimEnd().Length}: {line}"));
    }

    [Fact]
    public async Task Ids_of_parked_rows_are_not_truncated()
    {
        using var shell = new Shell { Width = 40 };
        shell.Cluster.Parking.Park("customer-000017-of-tenant-42");
        var result = await shell.RunAsync("writebehind", "parked");
        Assert.Contains("customer-000017-of-tenant-42", result.Output, StringComparison.Ordinal);
        Assert.Contains("2025-01-02T03:04:05.000Z", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cluster status", 3)]
    [InlineData("cluster status", 40)]
    [InlineData("breaker list", 40)]
    [InlineData("breaker health", 40)]
    [InlineData("writebehind status", 40)]
    public async Task Watch_never_draws_more_than_fits_the_screen(string command, int silos)
    {
        using var shell = new Shell { Width = 80, Height = 24, IsInteractive = true };
        shell.Cluster.CurrentStatus = new()
        {
            Silos = [.. Enumerable.Range(0, silos).Select(i => Silos.Of($"10.0.0.{i}:11111@154395619", Silos.Open()))],
        };
        var result = await shell.RunUntilAsync(() => shell.Cluster.StatusCalls >= 3, [.. command.Split(' '), "--watch"]);
        var screen = result.Output.Split(Clear)[^1].TrimEnd().Split('\n');
        Assert.InRange(screen.Length, 5, 23);
        var heading = command == "breaker health" ? "redis" : "silo";
        Assert.Contains(screen.Take(4), line => line.Contains(heading, StringComparison.Ordinal));
        if (silos == 3)
            Assert.Contains(screen, line => line.Contains("3 silos", StringComparison.Ordinal));
        else if (heading == "silo")
            Assert.Contains("make the window taller, or use --json", screen[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cluster_watch_has_a_row_per_silo_including_unresponsive_ones()
    {
        using var shell = new Shell { Width = 80, Height = 24, IsInteractive = true };
        shell.Cluster.CurrentStatus = new() { Silos = [Silos.Of(Silos.First, Silos.Open()), Silos.NotResponding(Silos.Second)] };
        var result = await shell.RunUntilAsync(() => shell.Cluster.StatusCalls >= 3, "cluster", "status", "--watch");
        var screen = result.Output.Split(Clear)[^1];
        Assert.Matches($@"{Silos.First}\s.*open", screen);
        Assert.Matches($@"{Silos.Second}\s.*not responding", screen);
        Assert.Contains("2 silos, 1 not responding", screen, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tall_terminal_shows_all_figures_in_watch()
    {
        using var shell = new Shell { Width = 120, Height = 60, IsInteractive = true };
        shell.Cluster.CurrentStatus = new() { Silos = [Silos.Of(Silos.First), Silos.Of(Silos.Second)] };
        var result = await shell.RunUntilAsync(() => shell.Cluster.StatusCalls >= 3, "cluster", "status", "--watch");
        Assert.Contains("clients not in Redis yet", result.Output.Split(Clear)[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silo_without_unflushed_rows_has_no_oldest_row()
    {
        using var shell = new Shell();
        var idle = new WriteBehindStatus { MaxUnflushedBytes = 1 };
        var busy = idle with { UnflushedRows = 1, OldestUnflushed = TimeSpan.Zero };
        shell.Cluster.CurrentStatus = new() { Silos = [Silos.Of(Silos.First) with { WriteBehind = idle }, Silos.Of(Silos.Second) with { WriteBehind = busy }] };
        Assert.Matches(@"oldest unflushed\s+-\s+0 s", (await shell.RunAsync("cluster", "status")).Output);
        var rows = (await shell.RunAsync("writebehind", "status")).Output.Split('\n');
        Assert.DoesNotMatch(@"\b0 s\b", Assert.Single(rows, row => row.Contains(Silos.First, StringComparison.Ordinal)));
        Assert.Matches(@"\b0 s\b", Assert.Single(rows, row => row.Contains(Silos.Second, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Past_errors_show_their_age()
    {
        using var shell = new Shell();
        var past = TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(3.5);
        var silo = Silos.Of(Silos.First, Silos.Closed() with { LastError = "no connection is active", LastErrorAt = past }) with
        {
            WriteBehind = new() { FlushFailures = 1, LastFlushError = "it was away", LastFlushErrorAt = past },
        };
        shell.Cluster.CurrentStatus = new() { Silos = [silo] };
        Assert.Contains("last error, 3h 30m ago: no connection", (await shell.RunAsync("breaker", "list")).Output, StringComparison.Ordinal);
        Assert.Contains("the last one 3h 30m ago: it was away", (await shell.RunAsync("writebehind", "status")).Output, StringComparison.Ordinal);
    }
}
