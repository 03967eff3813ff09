using System.Text.Json;
using Actors.Fixtures;
using StackExchange.Redis;

namespace Actors.Harness;

/// <summary>Heals a deployment after faults, and waits until no write depends on a single copy.</summary>
public static class ClusterHealth
{
    private const int Partitions = 8;
    private const int Epoch = 16;
    private const string AgeMetric = "actors_unflushed_age_seconds";

    // Metrics are collected only every 300 ms.
    private static readonly TimeSpan MetricsAge = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// Returns once every silo responds and is a member of the one cluster that a client finds. A silo that exited is restarted,
    /// as a process supervisor would; <paramref name="tell"/> receives a message.
    /// </summary>
    /// <exception cref="TimeoutException">It did not heal in time; the message has the last state.</exception>
    public static async Task HealAsync(this Deployment deployment, Action<string> tell)
    {
        var seen = "";
        for (var deadline = DateTime.UtcNow + Limit; ;)
        {
            foreach (var index in deployment.Silos.Where(index => deployment.Silo(index).HasExited))
            {
                tell($"silo {index} has exited; starting a new one in its place");
                await deployment.RestartSiloAsync(index);
            }

            var status = await deployment.CliAsync("cluster", "status", "--json");
            seen = status.ToString();
            if (status.ExitCode == 0 && Answering(status.Output) == deployment.Silos.Count) return;
            if (DateTime.UtcNow > deadline)
            {
                throw new TimeoutException(
                    $"Not all of the {deployment.Silos.Count} silos were responding members within {Limit}; last state: {seen}\n{deployment.Describe()}");
            }
            await Task.Delay(Look);
        }
    }

    /// <summary>
    /// Returns once every write acknowledged before this call is in the database, or in the journal and the memory of a live silo.
    /// From then on it survives any single fault.
    /// </summary>
    /// <exception cref="TimeoutException">The writes did not settle in time.</exception>
    public static async Task SettleAsync(this Deployment deployment)
    {
        var began = DateTime.UtcNow;
        var seen = "";
        while (true)
        {
            // Rows that have waited for less than this time were acknowledged after the start.
            var age = DateTime.UtcNow - MetricsAge - began;
            try
            {
                var silos = deployment.Silos.Select(deployment.Silo).ToList();
                var orphans = await OrphansAsync(deployment, await Task.WhenAll(silos.Select(NameAsync)));
                var oldest = (await Task.WhenAll(silos.Select(OldestUnflushedAsync))).Max();
                if (orphans == 0 && oldest < age) return;
                seen = $"{orphans} journaled rows without a live silo; the oldest other unflushed row has waited for {oldest}";
            }
            catch (HttpRequestException error)
            {
                seen = error.Message;
            }
            if (DateTime.UtcNow - began > Limit)
                throw new TimeoutException($"Acknowledged writes were not safe again within {Limit}: {seen}\n{deployment.Describe()}");
            await Task.Delay(Look);
        }
    }

    /// <summary>The journaled rows without a live owner: recovery has not found them yet.</summary>
    private static async Task<int> OrphansAsync(Deployment deployment, IReadOnlyCollection<string> living)
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(deployment.Redis.ConnectionString);
        var orphans = 0;
        for (var partition = 0; partition < Partitions; partition++)
        {
            // Rows first: a row flushed in between leaves its owner, and a row written in between does not matter.
            var rows = await redis.GetDatabase().HashKeysAsync($"actors:journal:{{{partition}}}:rows");
            if (rows.Length == 0) continue;
            var owners = await redis.GetDatabase().HashGetAsync($"actors:journal:{{{partition}}}:owners", rows);
            orphans += owners.Count(owner => owner.HasValue && !living.Contains(owner.ToString()[Epoch..]));
        }
        return orphans;
    }

    private static int Answering(string status) => JsonDocument.Parse(status).RootElement.GetProperty("silos").EnumerateArray()
        .Count(silo => silo.GetProperty("isResponding").GetBoolean());

    /// <summary>The silo's name in the journal, address:port@generation. In its health report it is Saddress:port:generation.</summary>
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
