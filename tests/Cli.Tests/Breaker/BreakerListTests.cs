using System.Text.Json;
using Actors.Cli.Breaker;
using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Breaker;

public sealed class BreakerListTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Each_silo_and_circuit_has_a_row_with_its_figures()
    {
        Show(Silos.Of(Silos.First, Silos.Closed("10.0.0.5:6379", "journal"), Silos.Open("10.0.0.6:6379", "cache")), Silos.Of(Silos.Second));
        var result = await _shell.RunAsync("breaker", "list");
        Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
        AssertHolds(Row(result, "10.0.0.5:6379"),
            Silos.First, "journal", "closed", "1h 30m", "0.0 %", "0.31 ms", "1.20 ms", "14 ms", "128,193", "12", "0");
        AssertHolds(Row(result, "10.0.0.6:6379"), Silos.First, "cache", "open", "40 s", "4m ", "61.5 %", "1,204", "45,000");
        AssertHolds(Row(result, "127.0.0.1:6379"), Silos.Second, "journal, cache", "closed");
        Assert.Contains("2 silos", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', result.Output);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(120)]
    [InlineData(140)]
    public async Task Table_fits_a_narrow_terminal_without_truncated_figures(int width)
    {
        using var shell = new Shell { Width = width };
        shell.Cluster.CurrentStatus = new() { Silos = [Silos.Of(Silos.First, Silos.Open()), Silos.NotResponding(Silos.Second)] };
        var table = (await shell.RunAsync("breaker", "list", "--transitions", "0")).Output;
        AssertHolds(table, Silos.First, Silos.Second, "127.0.0.1:6379", "journal, cache", "open", "40 s", "probe in", "61.5 %", "0.31 ms",
            "1.20 ms", "14 ms", "128,193", "1,204", "45,000", "rejected", "not responding");
        Assert.All(table.Split('\n'), line => Assert.True(line.TrimEnd().Length <= width, line));
    }

    [Fact]
    public async Task List_ends_with_the_last_transitions_and_the_last_error()
    {
        Show(Silos.Of(Silos.First, Silos.Open()), Silos.Of(Silos.Second));
        var usual = (await _shell.RunAsync("breaker", "list")).Output;
        Assert.DoesNotContain("the first reason", usual, StringComparison.Ordinal);
        AssertInOrder(usual, "open → half-open", "the second reason", "the third reason", "closed → open", "the fourth reason",
            "last error: no connection is active");

        var all = (await _shell.RunAsync("breaker", "list", "--transitions", "50")).Output;
        AssertInOrder(all, "the first reason", "the second reason");
        var none = (await _shell.RunAsync("breaker", "list", "--transitions", "0")).Output;
        Assert.DoesNotContain("reason", none, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unresponsive_silo_is_listed_as_such()
    {
        Show(Silos.Of(Silos.First), Silos.NotResponding(Silos.Second));
        var text = await _shell.RunAsync("breaker", "list");
        Assert.Equal(ExitCode.Done, text.ExitCode);
        AssertHolds(Row(text, Silos.Second), "not responding");

        var silo = (await _shell.RunAsync("breaker", "list", "--json")).Json.GetProperty("silos")[1];
        Assert.False(silo.GetProperty("isResponding").GetBoolean());
        Assert.Equal(JsonValueKind.Null, silo.GetProperty("breaker").ValueKind);
    }

    [Fact]
    public async Task Json_has_all_figures_under_stable_names()
    {
        Show(Silos.Of(Silos.First, Silos.Closed("10.0.0.5:6379", "journal"), Silos.Open("10.0.0.6:6379", "cache")));
        var silo = (await _shell.RunAsync("breaker", "list", "--json")).Json.GetProperty("silos")[0];
        var breaker = silo.GetProperty("breaker");
        Assert.Equal((string[])["silo", "isResponding", "breaker"], Names(silo));
        Assert.Equal((string[])["state", "since", "sinceSeconds", "circuits"], Names(breaker));
        Assert.Equal("open", breaker.GetProperty("state").GetString());

        var circuit = breaker.GetProperty("circuits")[1];
        Assert.Equal(
            (string[])[
                "address", "roles", "state", "since", "sinceSeconds", "failureRatio", "latency", "calls", "failures", "rejected",
                "lastError", "lastErrorAt", "nextProbe", "nextProbeSeconds", "health", "warning", "transitions",
            ],
            Names(circuit));
        Assert.Equal((string[])["calls", "p50Seconds", "p95Seconds", "p99Seconds"], Names(circuit.GetProperty("latency")));
        Assert.Equal(
            (string[])[
                "at", "version", "uptimeSeconds", "usedMemory", "maxMemory", "memoryUse", "connectedClients", "evictedKeys",
                "keyspaceHits", "keyspaceMisses", "hitRate", "maxMemoryPolicy", "persistence",
            ],
            Names(circuit.GetProperty("health")));
        Assert.Equal(0.014, circuit.GetProperty("latency").GetProperty("p99Seconds").GetDouble(), 6);
        Assert.InRange(circuit.GetProperty("sinceSeconds").GetDouble(), 40, 4000);
        Assert.InRange(circuit.GetProperty("nextProbeSeconds").GetDouble(), 0, 270);
        var transitions = circuit.GetProperty("transitions");
        Assert.Equal(4, transitions.GetArrayLength());
        Assert.Equal((string[])["at", "from", "to", "reason"], Names(transitions[1]));
        Assert.Equal("halfOpen", transitions[1].GetProperty("to").GetString());
    }

    [Fact]
    public async Task Journal_without_persistence_causes_one_warning()
    {
        CircuitSnapshot Forgetful(string address, string role) => Silos.Closed(address, role) is { Health: { } health } circuit
            ? circuit with { Health = health with { Persistence = RedisPersistence.None } }
            : throw new InvalidOperationException();

        Show(
            Silos.Of(Silos.First, Forgetful("10.0.0.5:6379", "journal"), Forgetful("10.0.0.6:6379", "cache")),
            Silos.Of(Silos.Second, Forgetful("10.0.0.5:6379", "journal")));
        var output = (await _shell.RunAsync("breaker", "list")).Output;
        var warning = Assert.Single(output.Split('\n'), line => line.StartsWith("warning:", StringComparison.Ordinal));
        Assert.Contains("10.0.0.5:6379", warning, StringComparison.Ordinal);
        Assert.Contains("Set appendonly yes", warning, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Watch_refreshes_until_interrupted_and_survives_a_cluster_outage()
    {
        Show(Silos.Of(Silos.First));
        _shell.Cluster.BeforeStatus = () =>
        {
            if (_shell.Cluster.StatusCalls == 2)
                throw new TimeoutException();
        };
        var result = await _shell.RunUntilAsync(() => _shell.Cluster.StatusCalls >= 4, "breaker", "list", "--watch", "--json");
        Assert.Equal(ExitCode.Done, result.ExitCode);
        Assert.Contains("did not answer in time", result.OnlyError(), StringComparison.Ordinal);
        var lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(lines.Length >= 2, result.Output);
        Assert.All(lines, line =>
            Assert.Equal(Silos.First, JsonDocument.Parse(line).RootElement.GetProperty("silos")[0].GetProperty("silo").GetString()));
    }

    [Fact]
    public async Task Watch_ends_if_the_first_response_fails_or_after_a_defect()
    {
        Show(Silos.Of(Silos.First));
        _shell.Cluster.BeforeStatus = () => throw new TimeoutException();
        Assert.Equal(ExitCode.Unavailable, (await _shell.RunAsync("breaker", "list", "--watch")).ExitCode);
        _shell.Cluster.BeforeStatus = () =>
        {
            if (_shell.Cluster.StatusCalls > 2)
                throw new InvalidOperationException("a defect");
        };
        Assert.Equal(ExitCode.Failed, (await _shell.RunAsync("breaker", "list", "--watch")).ExitCode);
    }

    [Fact]
    public async Task Text_from_Redis_and_silos_cannot_control_the_terminal()
    {
        Show(Silos.Of(Silos.First, Silos.Open("[red]\u001b[2J", "[x]") with { LastError = "\u001b[2Jgone\u202e" }));
        foreach (var verb in (string[])["list", "health"])
        {
            var result = await _shell.RunAsync("breaker", verb);
            Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
            Assert.DoesNotContain('\u001b', result.Output);
            Assert.DoesNotContain('\u202e', result.Output);
            Assert.Contains(@"[red]\u001b[2J", result.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Each_state_has_its_own_colour()
    {
        var colours = Enum.GetValues<BreakerState>().Select(BreakerText.Colour);
        Assert.Equal((string[])["green", "yellow", "red", "magenta"], colours);
        Assert.Equal("[red]open [[x]][/]", new Actors.Cli.Output.Cell("open [x]", BreakerText.Colour(BreakerState.Open)).ToMarkup());
    }

    [Fact]
    public async Task Health_lists_each_Redis_once_with_its_latest_figures_and_highest_latency()
    {
        var slow = Silos.Open() with { Health = null, Latency = new() { Calls = 1, P99 = TimeSpan.FromMilliseconds(900) } };
        Show(
            Silos.Of(Silos.First, Silos.Closed(), Silos.Closed("10.0.0.6:6379", "cache") with { Health = null }),
            Silos.Of(Silos.Second, slow),
            Silos.NotResponding("127.0.0.1:11113@1"));
        var text = await _shell.RunAsync("breaker", "health");
        Assert.Equal((ExitCode.Done, ""), (text.ExitCode, text.Error));
        AssertHolds(Row(text, "127.0.0.1:6379"), "journal, cache", "open", "30 s ago", "7.4.1", "3d 4h", "3.0 GiB", "4.0 GiB", "75.0 %",
            "42", "7", "90.0 %", "0.31 ms", "1.20 ms", "900 ms");
        AssertHolds(Row(text, "10.0.0.6:6379"), "closed", "never", "-");
        AssertHolds(text.Output, "2 Redis, 3 silos", "127.0.0.1:11113@1: not responding");

        var json = (await _shell.RunAsync("breaker", "health", "--json")).Json;
        Assert.Equal("127.0.0.1:11113@1", json.GetProperty("notResponding")[0].GetString());
        var redis = json.GetProperty("redis")[0];
        Assert.Equal((string[])["address", "roles", "state", "health", "healthAgeSeconds", "latency", "silos"], Names(redis));
        Assert.Equal(0.9, redis.GetProperty("latency").GetProperty("p99Seconds").GetDouble(), 6);
        Assert.Equal(2, redis.GetProperty("silos").GetArrayLength());
    }

    [Fact]
    public async Task Health_can_be_watched()
    {
        Show(Silos.Of(Silos.First));
        var result = await _shell.RunUntilAsync(() => _shell.Cluster.StatusCalls >= 2, "breaker", "health", "--watch");
        Assert.Equal((ExitCode.Done, ""), (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task Cluster_status_includes_Redis()
    {
        Show(
            Silos.Of(Silos.First, Silos.Closed("10.0.0.5:6379", "journal"), Silos.Open("10.0.0.6:6379", "cache")),
            Silos.NotResponding(Silos.Second));
        var text = await _shell.RunAsync("cluster", "status");
        AssertHolds(Row(text, "Redis P99"), "14 ms", "-");
        AssertHolds(Row(text, "  Redis  "), "closed (journal)", "open (cache)");

        var silos = (await _shell.RunAsync("cluster", "status", "--json")).Json.GetProperty("silos");
        Assert.Equal((string[])["state", "since", "sinceSeconds", "circuits"], Names(silos[0].GetProperty("breaker")));
        Assert.Equal(JsonValueKind.Null, silos[1].GetProperty("breaker").ValueKind);
    }

    private void Show(params SiloReport[] silos) => _shell.Cluster.CurrentStatus = new() { Silos = silos };

    private static string Row(Result result, string having) =>
        Assert.Single(result.Output.Split('\n'), line =>
            line.Contains(having, StringComparison.Ordinal) && !line.Contains(", Redis ", StringComparison.Ordinal));

    private static string[] Names(JsonElement value) => [.. value.EnumerateObject().Select(property => property.Name)];

    private static void AssertHolds(string text, params string[] parts) =>
        Assert.All(parts, part => Assert.Contains(part, text, StringComparison.Ordinal));

    private static void AssertInOrder(string text, params string[] parts)
    {
        var at = parts.Select(part => text.IndexOf(part, StringComparison.Ordinal)).ToArray();
        Assert.All(at, index => Assert.NotEqual(-1, index));
        Assert.Equal(at.Order(), at);
    }
}
