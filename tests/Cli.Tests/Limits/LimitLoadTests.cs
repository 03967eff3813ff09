using System.Text.Json;
using Actors.Cli.Commands;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Limits;

public sealed class LimitLoadTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Ledger_holds_every_grant_with_its_permits_and_no_denial()
    {
        _shell.Cluster.Policies["p"] = new() { Name = "p", Windows = [new(50, TimeSpan.FromHours(1))] };
        var (ledger, timeline) = (_shell.Path("ledger"), _shell.Path("timeline"));
        var result = await _shell.RunAsync(
            "load", "limits", "--seconds", "100", "--clients", "3", "--concurrency", "16", "--policy", "p", "--permits", "random",
            "--on-denied", "spin", "--ledger", ledger, "--timeline", timeline, "--json");
        Assert.Equal(ExitCode.Done, result.ExitCode);

        var lines = File.ReadLines(ledger).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal(["load-0", "load-1", "load-2"], lines.Select(line => line.GetProperty("client").GetString()).Distinct().Order());
        foreach (var client in lines.GroupBy(line => line.GetProperty("client").GetString()!))
        {
            var permits = client.Sum(line => line.GetProperty("permits").GetInt32());
            Assert.Equal(_shell.Cluster.Limiters[client.Key].Charged, permits);
            Assert.InRange(permits, 40, 50);
        }
        Assert.All(lines, line =>
        {
            Assert.Equal(("p", "redis"), (line.GetProperty("policy").GetString(), line.GetProperty("source").GetString()));
            Assert.InRange(line.GetProperty("ended").GetDouble() - line.GetProperty("began").GetDouble(), 0, 60);
            Assert.True(line.GetProperty("at").GetDateTimeOffset() > DateTimeOffset.UtcNow.AddMinutes(-5));
        });
        Assert.True(lines.Select(line => line.GetProperty("permits").GetInt32()).Distinct().Count() > 3);

        Assert.Equal(lines.Length, result.Json.GetProperty("allowed").GetInt64());
        Assert.Equal(lines.Length, result.Json.GetProperty("ledger").GetProperty("entries").GetInt64());
        Assert.Equal(lines.Sum(line => line.GetProperty("permits").GetInt64()), result.Json.GetProperty("permits").GetInt64());
        Assert.True(result.Json.GetProperty("denied").GetInt64() > 0);
        Assert.Equal(result.Json.GetProperty("succeeded").GetInt64(), result.Json.GetProperty("allowed").GetInt64() + result.Json.GetProperty("denied").GetInt64());

        var decisions = File.ReadLines(timeline).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("decisions")).ToArray();
        Assert.Equal(lines.Length, decisions.Sum(each => each.GetProperty("allowed").GetInt64()));
        Assert.Equal(result.Json.GetProperty("denied").GetInt64(), decisions.Sum(each => each.GetProperty("denied").GetInt64()));
        Assert.Equal(0, decisions.Sum(each => each.GetProperty("allowedLocally").GetInt64() + each.GetProperty("deniedLocally").GetInt64()));
    }

    [Fact]
    public async Task Decisions_without_Redis_or_in_shadow_mode_are_counted()
    {
        _shell.Cluster.IsRedisAway = true;
        _shell.Cluster.Policies["p"] = new() { Name = "p", Windows = [new(5, TimeSpan.FromHours(1))], IsShadow = true };
        var file = _shell.Path("ledger");
        var json = (await _shell.RunAsync(
            "load", "limits", "--seconds", "20", "--clients", "1", "--concurrency", "4", "--policy", "p", "--ledger", file, "--json")).Json;
        Assert.Equal((0, 5), (json.GetProperty("denied").GetInt64(), json.GetProperty("permits").GetInt64()));
        Assert.Equal(json.GetProperty("allowed").GetInt64() - 5, json.GetProperty("shadowDenied").GetInt64());
        Assert.Equal(json.GetProperty("allowed").GetInt64(), json.GetProperty("local").GetInt64());
        Assert.All(File.ReadLines(file), line => Assert.Contains("\"source\":\"local\"", line, StringComparison.Ordinal));
        Assert.Equal(5, File.ReadLines(file).Count());

        var text = (await _shell.RunAsync("load", "limits", "--seconds", "20", "--clients", "1", "--concurrency", "4", "--policy", "p")).Output;
        foreach (var shown in (string[])["allowed/s", "denied/s", "no Redis", "▪", " decisions in ", "were decided without Redis", "in shadow mode"])
            Assert.Contains(shown, text, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', text);
    }

    [Fact]
    public async Task Calls_with_a_request_id_are_retried_and_charged_once()
    {
        var calls = 0;
        _shell.Cluster.BeforeLimit = _ => Interlocked.Increment(ref calls) % 3 == 0 ? throw new TimeoutException() : Pause.ShortlyAsync();
        var json = (await _shell.RunAsync(
            "load", "limits", "--seconds", "20", "--clients", "1", "--concurrency", "2", "--request-ids", "--json")).Json;
        Assert.Equal(json.GetProperty("permits").GetInt64(), _shell.Cluster.Limiters["load-0"].Charged);
        Assert.All(_shell.Cluster.Limiters["load-0"].Requests, request => Assert.NotNull(request.RequestId));
    }

    [Theory]
    [InlineData("There is no policy 'unknown'", "--policy", "unknown")]
    [InlineData("--permits '101': policy 'default' (100/1s) allows calls of up to 100", "--permits", "101")]
    public async Task Permits_beyond_the_limit_are_reported_at_once(string expected, params string[] options)
    {
        var result = await _shell.RunAsync(["load", "limits", "--seconds", "86400", .. options]);
        Assert.Equal(ExitCode.Usage, result.ExitCode);
        Assert.Contains(expected, result.OnlyError(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Load_without_any_response_reports_an_unavailable_cluster()
    {
        _shell.Cluster.BeforeLimit = _ => throw new TimeoutException();
        Assert.Equal(ExitCode.Unavailable, (await _shell.RunAsync("load", "limits", "--seconds", "5")).ExitCode);
    }
}
