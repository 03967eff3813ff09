using System.Globalization;
using System.Text.Json;
using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>A silo process whose database is down under load until it reaches the ceiling, and which recovers.</summary>
public sealed class CeilingTests(ITestOutputHelper output)
{
    private const int Ceiling = 1 << 20;
    private const int Users = 5000;
    private static readonly string[] Allowed = ["OverloadedException", "StorageUnavailableException"];
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Writes_without_PostgreSQL_continue_to_the_ceiling_and_lose_nothing()
    {
        await using var deployment = await Deployment.StartAsync(silos: 0);
        var silo = await deployment.AddSiloAsync("--Actors:WriteBehind:MaxUnflushedBytes", $"{Ceiling}");
        var healthy = await WriteBehindOfHealthAsync(silo);
        Assert.Equal("Healthy", healthy.GetProperty("status").GetString());

        using var load = deployment.StartLoad(new LoadOptions("ceiling") { Users = Users, Concurrency = 128 });
        await load.SucceededAsync(2 * Users);
        await deployment.Postgres.StopAsync();

        // The alarm precedes the first rejection.
        await Eventually.IsTrueAsync(async () => (await WriteBehindOfHealthAsync(silo)).GetProperty("status").GetString() == "Degraded", Limit);
        double most = 0;
        await Eventually.IsTrueAsync(
            async () =>
            {
                var metrics = await silo.GetAsync("/metrics");
                most = Math.Max(most, Metric(metrics, "actors_unflushed_bytes"));
                return Metric(metrics, "actors_writebehind_state") == 3 && Metric(metrics, "actors_writebehind_refused_total") > 0;
            },
            Limit);
        Assert.InRange(most, Ceiling * 7 / 8, Ceiling);

        var health = (await WriteBehindOfHealthAsync(silo)).GetProperty("description").GetString()!;
        output.WriteLine(health);
        Assert.Contains("Refusing: ", health, StringComparison.Ordinal);
        Assert.Contains("1,048,576", health, StringComparison.Ordinal);
        var status = await deployment.CliAsync("writebehind", "status", "--json");
        Assert.True(status.ExitCode == 0, status.ToString());
        var writeBehind = JsonDocument.Parse(status.Output).RootElement.GetProperty("silos")[0].GetProperty("writeBehind");
        Assert.Equal("refusing", writeBehind.GetProperty("state").GetString());
        output.WriteLine((await deployment.CliAsync("writebehind", "status")).Output);

        await deployment.Postgres.StartAsync();
        await Eventually.IsTrueAsync(
            async () => Metric(await silo.GetAsync("/metrics"), "actors_writebehind_state") == 0, Limit);
        var result = await load.StopAsync();
        output.WriteLine(result.ToString());
        Assert.Contains("OverloadedException", result.Failures.Keys);
        Assert.True(result.Failures.Keys.All(Allowed.Contains), result.ToString());
        await Eventually.IsTrueAsync(async () => Metric(await silo.GetAsync("/metrics"), "actors_unflushed_rows") == 0, Limit);
        var verdict = await LedgerCheck.RunAsync(deployment, [result]);
        Assert.True(verdict.IsClean, $"{result}\n{verdict}\n{deployment.Describe()}");

        AssertExports(await silo.GetAsync("/metrics"));
        foreach (var change in (string[])["Buffering -> Slowing", "Slowing -> Refusing"])
            Assert.Contains(change, await File.ReadAllTextAsync(silo.Log), StringComparison.Ordinal);
    }

    private static void AssertExports(string metrics)
    {
        foreach (var name in (string[])[
            "actors_unflushed_rows", "actors_unflushed_bytes", "actors_unflushed_ceiling_bytes", "actors_unflushed_age_seconds",
            "actors_writebehind_state", "actors_writebehind_refused_total", "actors_writebehind_slowed_total",
            "actors_flush_coalesce_ratio", "actors_flush_batch_rows_count", "actors_flush_duration_seconds_count",
            "actors_journal_commit_rows_count", "actors_journal_commit_duration_seconds_count", "actors_journal_size",
            "actors_journal_recoveries_total", "actors_journal_recovered_rows_total", "actors_flush_fence_hits_total",
        ])
            Assert.True(Metric(metrics, name) >= 0, name);
        Assert.Equal(Ceiling, Metric(metrics, "actors_unflushed_ceiling_bytes"));
        Assert.Contains("actors_writebehind_transitions_total{", metrics, StringComparison.Ordinal);
        foreach (var state in (string[])["buffering", "slowing", "writingthrough", "refusing"])
            Assert.Contains($"state=\"{state}\"", metrics, StringComparison.Ordinal);
        Assert.Contains("le=\"1000\"", metrics, StringComparison.Ordinal);
    }

    private static async Task<JsonElement> WriteBehindOfHealthAsync(SiloProcess silo) =>
        JsonDocument.Parse(await silo.GetAsync("/health/ready")).RootElement.GetProperty("checks").GetProperty("writebehind");

    // NAME{LABELS} VALUE TIMESTAMP; labels and timestamp are optional.
    private static double Metric(string metrics, string name)
    {
        var line = metrics.Split('\n').FirstOrDefault(line =>
            line.StartsWith(name + " ", StringComparison.Ordinal) || line.StartsWith(name + "{", StringComparison.Ordinal))
            ?? throw new InvalidOperationException($"The silo has no metric {name}:\n{metrics}");
        return double.Parse(line[(line.LastIndexOf('}') + 1)..].Replace(name, "", StringComparison.Ordinal).Trim().Split(' ')[0], CultureInfo.InvariantCulture);
    }
}
