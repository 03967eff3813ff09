using System.Text.RegularExpressions;
using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests;

public sealed class CommandLineTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Theory]
    [InlineData("unknown command 'bogus' of actors; commands are user, limit, import, export, load, verify, cluster, breaker, writebehind", "bogus")]
    [InlineData("user needs a command; commands are get, set, delete, flush", "user")]
    [InlineData("unknown option or extra argument 'b' of get", "user", "get", "a", "b")]
    [InlineData("Required argument", "user", "get")]
    [InlineData("'--ledger' is required", "verify")]
    [InlineData("--seconds '0': use a whole number from 1 to 86,400", "load", "writes", "--seconds", "0")]
    [InlineData("--users 'many'", "load", "reads", "--users", "many")]
    [InlineData("--concurrency '10001'", "load", "writes", "--concurrency", "10001")]
    public async Task Invalid_command_line_prints_one_line_and_exits_with_2(string expected, params string[] args)
    {
        var result = await _shell.RunAsync(args);
        Assert.Equal((ExitCode.Usage, ""), (result.ExitCode, result.Output));
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_goes_to_standard_output()
    {
        foreach (var args in (string[][])[[], ["--help"], ["user", "set", "--help"], ["import", "--help"]])
        {
            var result = await _shell.RunAsync(args);
            Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
            Assert.Contains("Usage:", result.Output, StringComparison.Ordinal);
        }
        Assert.Contains("FILE.progress", (await _shell.RunAsync("import", "-h")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("silo-1", "'silo-1'")]
    [InlineData("silo-1:", "'silo-1:'")]
    [InlineData(":30000", "':30000'")]
    [InlineData("silo-1:0", "'silo-1:0'")]
    [InlineData("silo-1:65536", "'silo-1:65536'")]
    [InlineData("::1:30000", "'::1:30000'")]
    [InlineData("[::1]", "'[::1]'")]
    [InlineData("[silo-1]:30000", "'[silo-1]:30000'")]
    [InlineData("gwy.tcp://10.0.0.7:30000/0", "'gwy.tcp://10.0.0.7:30000/0'")]
    [InlineData("a:1,b:2", "'a:1,b:2'")]
    [InlineData("localhost:6379,password=secret", "a connection string or URL (not shown)")]
    public async Task Invalid_gateway_is_reported_with_the_allowed_format_before_connecting(string gateway, string shown)
    {
        foreach (var command in (string[][])[["breaker", "list"], ["user", "get", "a"], ["cluster", "status"]])
        {
            var result = await _shell.RunAsync([.. command, "--gateway", "10.0.0.7:30000", "--gateway", gateway]);
            Assert.Equal((ExitCode.Usage, ""), (result.ExitCode, result.Output));
            Assert.Contains($"--gateway is {shown}; use host:port", result.OnlyError(), StringComparison.Ordinal);
            Assert.DoesNotContain("secret", result.Error, StringComparison.Ordinal);
        }
        Assert.Equal(0, _shell.Cluster.Connections);
    }

    [Fact]
    public async Task Gateway_option_works_at_any_position()
    {
        await _shell.RunAsync("--gateway", "10.0.0.7:30000", "user", "get", "a", "--gateway", "[::1]:30000", "--gateway", "silo-1:1");
        Assert.Equal(["10.0.0.7:30000", "[::1]:30000", "silo-1:1"], _shell.Cluster.Target!.Gateways);
    }

    [Fact]
    public async Task Redis_and_verbose_options_reach_the_connection()
    {
        _shell.Environment["ConnectionStrings:redis"] = "environment:1";
        await _shell.RunAsync("user", "get", "a", "--redis", "option:2", "--verbose");
        Assert.Equal(("option:2", true), (_shell.Cluster.Target!.Redis, _shell.Cluster.Target.IsVerbose));
        Assert.Equal("environment:1", _shell.Cluster.Target.Configuration["ConnectionStrings:redis"]);
    }

    [Fact]
    public async Task Status_lists_every_silo_including_unresponsive_ones()
    {
        _shell.Cluster.CurrentStatus = new()
        {
            Silos =
            [
                new()
                {
                    Silo = "S1:1:1",
                    IsResponding = true,
                    Version = "1.2.3",
                    Uptime = TimeSpan.FromMinutes(90),
                    WriteBehind = new() { JournalWrites = 30_000, FlushedRows = 10_000, FlushedBatches = 3, UnflushedBytes = 2048 },
                    Cache = new() { Memory = new() { Hits = 3, Misses = 1 } },
                    RateLimits = new()
                    {
                        Clients = 1234, Allowed = 5_000, Denied = 2_345, ShadowDenied = 155, Local = 111, Mirrored = 2_222, Waiting = 17,
                        ScriptCalls = 600, Bytes = 4096, MaxBytes = 1 << 20, Unsynced = 19,
                    },
                },
                new() { Silo = "S2:2:2", IsResponding = false },
            ],
        };
        var text = await _shell.RunAsync("cluster", "status");
        Assert.Equal((ExitCode.Done, ""), (text.ExitCode, text.Error));
        foreach (var shown in (string[])["S1:1:1", "S2:2:2", "1.2.3", "1h 30m", "30,000", "2.0 KiB", "75.0 %", "not responding", "2 silos"])
            Assert.Contains(shown, text.Output, StringComparison.Ordinal);
        foreach (var (row, shown) in ((string, string)[])
            [
                ("limited clients", "1,234"), ("limit decisions", "7,500"), ("limit denials", "2,345"), ("decisions per script call", "12.5"),
                ("decided without Redis", "111"), ("waiting for permits", "17"), ("clients not in Redis yet", "19"), ("bytes of grants", "4.0 KiB"),
            ])
        {
            Assert.Matches($@"{row}\s+{Regex.Escape(shown)}\s+-", text.Output);
        }
        Assert.DoesNotContain('\u001b', text.Output);

        var silo = (await _shell.RunAsync("cluster", "status", "--json")).Json.GetProperty("silos")[0];
        Assert.Equal(3.0, silo.GetProperty("writeBehind").GetProperty("coalesceRatio").GetDouble());
        var limits = silo.GetProperty("rateLimits");
        Assert.Equal(
            [1234, 7500, 5000, 2345, 155, 111, 2222, 600, 17, 19, 4096, 1 << 20],
            ((string[])["clients", "decisions", "allowed", "denied", "shadowDenied", "local", "mirrored", "scriptCalls", "waiting", "unsynced", "bytes", "maxBytes"])
                .Select(name => limits.GetProperty(name).GetInt64()));
        Assert.Equal(12.5, limits.GetProperty("decisionsPerCall").GetDouble());
        Assert.Equal(0.75, silo.GetProperty("cache").GetProperty("memory").GetProperty("hitRate").GetDouble());
    }
}
