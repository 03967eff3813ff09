using System.Globalization;
using System.Text.Json;
using Actors.Fixtures;
using StackExchange.Redis;

namespace Actors.Fault.Tests;

/// <summary>The membership table of a deployment in Redis, and the silos' view of it.</summary>
internal static class MembershipTable
{
    private const int Active = 3;
    private static readonly RedisKey Key = "actors/members/actors";

    /// <summary>Returns once the table and each silo show one cluster of these silos.</summary>
    public static async Task AssertIsOneClusterAsync(this Deployment deployment, params SiloProcess[] silos)
    {
        var seen = "";
        try
        {
            await Eventually.IsTrueAsync(async () =>
            {
                var active = await ActiveAsync(deployment);
                var members = await Task.WhenAll(silos.Select(MembersAsync));
                seen = $"in the table {string.Join(", ", active)}; each silo sees {string.Join(", ", members)}";
                return active.Count == silos.Length && members.All(count => count == silos.Length);
            });
        }
        catch (TimeoutException error)
        {
            throw new TimeoutException($"{error.Message} Last state: {seen}\n{string.Join("\n---\n", silos.Select(silo => silo.Output))}");
        }

        var status = await deployment.CliAsync("cluster", "status", "--json");
        Assert.True(status.ExitCode == 0, status.ToString());
        var listed = JsonDocument.Parse(status.Output).RootElement.GetProperty("silos").EnumerateArray().ToList();
        Assert.Equal(silos.Length, listed.Count);
        Assert.All(listed, silo => Assert.True(silo.GetProperty("isResponding").GetBoolean(), status.ToString()));
    }

    /// <summary>The silos that are active in the table.</summary>
    public static async Task<IReadOnlyList<string>> ActiveAsync(Deployment deployment)
    {
        await using var redis = await ConnectAsync(deployment);
        var table = await redis.GetDatabase().HashGetAllAsync(Key);
        return [.. table
            .Where(row => row.Name != "Version" && JsonDocument.Parse(row.Value.ToString()).RootElement.GetProperty("Status").GetInt32() == Active)
            .Select(row => row.Name.ToString())];
    }

    public static async Task<long> VersionAsync(Deployment deployment)
    {
        await using var redis = await ConnectAsync(deployment);
        return (long)await redis.GetDatabase().HashGetAsync(Key, "Version");
    }

    /// <summary>Empties Redis and with it the table.</summary>
    public static async Task EmptyAsync(Deployment deployment)
    {
        await using var redis = await ConnectAsync(deployment);
        await redis.GetDatabase().ExecuteAsync("FLUSHALL");
    }

    /// <summary>Creates the table as any Orleans client does at startup.</summary>
    public static async Task MakeAsClientDoesAsync(Deployment deployment)
    {
        await using var redis = await ConnectAsync(deployment);
        await redis.GetDatabase().HashSetAsync(Key, "Version", 0, When.NotExists);
    }

    /// <summary>Removes one silo from the table.</summary>
    public static async Task RemoveAsync(Deployment deployment, string silo)
    {
        await using var redis = await ConnectAsync(deployment);
        Assert.True(await redis.GetDatabase().HashDeleteAsync(Key, silo));
    }

    // The number of members in this silo's view.
    private static async Task<int> MembersAsync(SiloProcess silo)
    {
        var metrics = await silo.GetAsync("/metrics");
        var line = metrics.Split('\n').FirstOrDefault(line => line.StartsWith("orleans_directory_ring_size", StringComparison.Ordinal));
        return line is null ? 0 : (int)double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    private static async Task<ConnectionMultiplexer> ConnectAsync(Deployment deployment) =>
        await ConnectionMultiplexer.ConnectAsync($"{deployment.Redis.ConnectionString},allowAdmin=true");
}
