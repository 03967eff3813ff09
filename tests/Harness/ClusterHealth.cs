using System.Text.Json;
using Actors.Fixtures;
using StackExchange.Redis;

namespace Actors.Harness;

/// <summary>Sees to it that a deployment is whole again after faults, and tells when nothing hangs by a single copy any more.</summary>
public static class ClusterHealth
{
    private const int Partitions = 8;
    private const int Epoch = 16;
    private const string AgeMetric = "actors_unflushed_age_seconds";

    // Metrics are collected anew only every 300 ms.
    private static readonly TimeSpan MetricsAge = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// Returns once every silo is a member of the one cluster that a client finds, and answers. A silo that has ended itself
    /// is started anew, as whoever supervises processes does; <paramref name="tell"/> hears of it.
    /// </summary>
    /// <exception cref="TimeoutException">It did not come to that; the message says what was seen last.</exception>
    public static async Task HealAsync(this Deployment deployment, Action<string> tell)
    {
        var seen = "";
        for (var deadline = DateTime.UtcNow + Limit; ;)
        {
            foreach (var index in deployment.Silos.Where(index => deployment.Silo(index).HasExited))
            {
                tell($"silo {index} has ended; starting a new one in its place");
                await deployment.RestartSiloAsync(index);
            }

            var status = await deployment.CliAsync("cluster", "status", "--json");
            seen = status.ToString();
            if (status.ExitCode == 0 && Answering(status.Output) == deployment.Silos.Count) return;
            if (DateTime.UtcNow > deadline)
            {
                throw new TimeoutException(
                    $"Not all of the {deployment.Silos.Count} silos were members that answer within {Limit}; seen last: {seen}\n{deployment.Describe()}");
            }
            await Task.Delay(Look);
        }
    }

    /// <summary>
    /// Returns once all that was acknowledged before this call is either in the database, or in the journal and in the memory
    /// of a silo that runs: from then on it survives any one fault again.
    /// </summary>
    /// <exception cref="TimeoutException">It did not come to that.</exception>
    public static async Task SettleAsync(this Deployment deployment)
    {
        var began = DateTime.UtcNow;
        var seen = "";
        while (true)
        {
            // What has waited for less long than since we began was acknowledged after that.
            var age = DateTime.UtcNow - MetricsAge - began;
            try
            {
                var silos = deployment.Silos.Select(deployment.Silo).ToList();
                var orphans = await OrphansAsync(deployment, await Task.WhenAll(silos.Select(NameAsync)));
                var oldest = (await Task.WhenAll(silos.Select(OldestUnflushedAsync))).Max();
                if (orphans == 0 && oldest < age) return;
                seen = $"{orphans} journaled rows whose silo has gone, and the oldest unflushed row of the others waits for {oldest}";
            }
            catch (HttpRequestException error)
            {
                seen = error.Message;
            }
            if (DateTime.UtcNow - began > Limit)
                throw new TimeoutException($"What was acknowledged was not safe again within {Limit}: {seen}\n{deployment.Describe()}");
            await Task.Delay(Look);
        }
    }

    /// <summary>The journaled rows that no living silo is answerable for: recovery has not found them yet.</summary>
    private static async Task<int> OrphansAsync(Deployment deployment, IReadOnlyCollection<string> living)
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(deployment.Redis.ConnectionString);
        var orphans = 0;
        for (var partition = 0; partition < Partitions; partition++)
        {
            // The rows first: one that is flushed in between leaves its owner behind, one that is written does not matter.
            var rows = await redis.GetDatabase().HashKeysAsync($"actors:journal:{{{partition}}}:rows");
            if (rows.Length == 0) continue;
            var owners = await redis.GetDatabase().HashGetAsync($"actors:journal:{{{partition}}}:owners", rows);
            orphans += owners.Count(owner => owner.HasValue && !living.Contains(owner.ToString()[Epoch..]));
        }
        return orphans;
    }

    private static int Answering(string status) => JsonDocument.Parse(status).RootElement.GetProperty("silos").EnumerateArray()
        .Count(silo => silo.GetProperty("isResponding").GetBoolean());

    /// <summary>A silo as the journal names it, address:port@generation. In its health it is Saddress:port:generation.</summary>
    private static async Task<string> NameAsync(SiloProcess silo)
    {
        var health = JsonDocument.Parse(await silo.GetAsync("/health/ready")).RootElement;
        var name = health.GetProperty("checks").GetProperty("silo").GetProperty("description").GetString()!.Split(' ')[0];
        var generation = name.LastIndexOf(':');
        return $"{name[1..generation]}@{name[(generation + 1)..]}";
    }

    private static async Task<TimeSpan> OldestUnflushedAsync(SiloProcess silo) =>
        TimeSpan.FromSeconds((await SiloMetrics.ReadAsync(silo, AgeMetric))[0]);
}
