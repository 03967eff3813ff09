using System.Text.Json;

namespace Actors.Fault.Tests;

/// <summary>The limit commands, against a real silo and its Redis.</summary>
public sealed class LimitCommandTests
{
    private const int Denied = 3;

    [Fact]
    public async Task Limits_can_be_set_used_shown_and_refunded_from_the_command_line()
    {
        await using var deployment = await Deployment.StartAsync(silos: 1);

        async Task<JsonElement> RunAsync(int exitCode, params string[] arguments)
        {
            var run = await deployment.CliAsync([.. arguments, "--json"]);
            Assert.True(run.ExitCode == exitCode, $"{run}\n{deployment.Describe()}");
            return JsonDocument.Parse(run.Output).RootElement;
        }

        await RunAsync(0, "limit", "set", "ada", "--limit", "10/1h", "--limit", "1000/1d");
        var acquired = await RunAsync(Denied, "limit", "acquire", "ada", "--count", "5", "--permits", "3");
        Assert.Equal((3, 2), (acquired.GetProperty("allowed").GetInt32(), acquired.GetProperty("denied").GetInt32()));
        Assert.Equal([7, 4, 1, 1, 1], acquired.GetProperty("decisions").EnumerateArray().Select(each => each.GetProperty("remaining").GetInt32()));

        var last = await RunAsync(0, "limit", "acquire", "ada", "--request-id", "order-17");
        Assert.Equal((0, "redis"), (last.GetProperty("remaining").GetInt32(), last.GetProperty("source").GetString()));
        var peek = await RunAsync(Denied, "limit", "peek", "ada");
        Assert.Equal(10, peek.GetProperty("limit").GetInt32());
        Assert.InRange(peek.GetProperty("retryAfterSeconds").GetDouble(), 3000, 3600);

        Assert.Equal(1, (await RunAsync(0, "limit", "refund", "ada", "--request-id", "order-17")).GetProperty("freed").GetInt32());
        Assert.Equal(1, (await RunAsync(0, "limit", "show", "ada")).GetProperty("now").GetProperty("remaining").GetInt32());

        var ledger = Path.Combine(deployment.Directory, "grants");
        var load = await RunAsync(
            0, "load", "limits", "--seconds", "2", "--clients", "2", "--concurrency", "16", "--permits", "random", "--ledger", ledger);
        var grants = File.ReadLines(ledger).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.True(load.GetProperty("denied").GetInt64() > 0);
        Assert.Equal((0, grants.Length), (load.GetProperty("failed").GetInt64(), load.GetProperty("allowed").GetInt64()));
        Assert.Equal(load.GetProperty("permits").GetInt64(), grants.Sum(grant => grant.GetProperty("permits").GetInt64()));

        // Two clients, 100 per second each: no second of the server's clock has more.
        foreach (var client in grants.GroupBy(grant => grant.GetProperty("client").GetString()))
        {
            var (at, permits) = (client.Select(Time).ToArray(), client.Select(grant => grant.GetProperty("permits").GetInt32()).ToArray());
            Assert.All(at, end => Assert.InRange(permits.Where((_, i) => at[i] > end.AddSeconds(-1) && at[i] <= end).Sum(), 1, 100));
        }

        var limits = (await RunAsync(0, "cluster", "status")).GetProperty("silos")[0].GetProperty("rateLimits");
        Assert.Equal(load.GetProperty("allowed").GetInt64() + 4, limits.GetProperty("allowed").GetInt64());
        Assert.True(limits.GetProperty("decisionsPerCall").GetDouble() > 1);
    }

    private static DateTimeOffset Time(JsonElement grant) => grant.GetProperty("at").GetDateTimeOffset();
}
