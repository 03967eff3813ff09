using System.Globalization;
using System.Text.Json;
using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>A silo process with memory for a small part of the imported users.</summary>
public sealed class MemoryTests(ITestOutputHelper output)
{
    private const int Users = 40_000;

    // Limits the managed heap.
    private static readonly Dictionary<string, string> Small = new()
    {
        ["DOTNET_GCHeapHardLimit"] = $"0x{200 << 20:x}",
        ["Actors__Breaker__CallTimeout"] = "00:00:20",
        ["Actors__Breaker__SlowCallDuration"] = "00:01:00",
        ["Actors__Breaker__SilenceDuration"] = "00:00:20",
    };

    [Fact]
    public async Task More_users_than_fit_into_the_memory_of_a_silo_are_imported()
    {
        await using var deployment = await Deployment.StartAsync(silos: 0);
        var silo = deployment.Silo(await deployment.AddPlaceAsync(settings: Small));
        var file = Path.Combine(deployment.Directory, "users.jsonl");
        await File.WriteAllLinesAsync(file, Enumerable.Range(0, Users).Select(i =>
            $$"""{"id":"user-{{i}}","name":"User {{i}}","email":"user-{{i}}@example.org","attributes":{"plan":"pro","city":"Vienna"},"counters":{"n":1},"tags":["new"]}"""));

        var import = await deployment.CliAsync("import", file, "--json");
        Assert.True(import.ExitCode == 0, $"{import}\n{silo.Output}");
        Assert.Equal(Users, JsonDocument.Parse(import.Output).RootElement.GetProperty("imported").GetInt32());

        await Eventually.IsTrueAsync(
            async () => await deployment.QueryAsync<long>("SELECT count(*) FROM users WHERE version = 1 AND state -> 'counters' ->> 'n' = '1'") == Users,
            TimeSpan.FromMinutes(2));
        var status = JsonDocument.Parse((await deployment.CliAsync("cluster", "status", "--json")).Output).RootElement.GetProperty("silos")[0].GetProperty("users");
        output.WriteLine(status.ToString());
        Assert.InRange(status.GetProperty("bytes").GetInt64(), 1, status.GetProperty("maxBytes").GetInt64());
        Assert.InRange(status.GetProperty("shed").GetInt64(), Users / 4, long.MaxValue);
        var metrics = (await silo.GetAsync("/metrics")).Split('\n');
        foreach (var name in (string[])["actors_users_active", "actors_users_memory_bytes", "actors_users_memory_ceiling_bytes", "actors_users_shed_total", "actors_users_refused_total"])
            Assert.Contains(metrics, line => line.StartsWith(name, StringComparison.Ordinal));
        foreach (var line in metrics.Where(line => line.StartsWith("dotnet_gc_last_collection", StringComparison.Ordinal) || line.StartsWith("actors_users", StringComparison.Ordinal)))
            output.WriteLine(line);

        var log = await File.ReadAllTextAsync(silo.Log);
        Assert.DoesNotContain("OutOfMemory", log, StringComparison.Ordinal);
        Assert.Contains("deactivating idle users", log, StringComparison.Ordinal);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"resident {System.Diagnostics.Process.GetProcessById(silo.ProcessId).WorkingSet64 >> 20} MiB"));
    }
}
