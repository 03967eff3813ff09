using System.Text.Json;
using Actors.Fixtures;
using StackExchange.Redis;

namespace Actors.Harness;

/// <summary>The status of silos in the membership table in Redis.</summary>
public static class ClusterMembers
{
    private const int Dead = 6;
    private static readonly RedisKey Key = "actors/members/actors";

    /// <summary>The silo's name in the table: Saddress:port:generation.</summary>
    public static async Task<string> NameAsync(SiloProcess silo)
    {
        var health = JsonDocument.Parse(await silo.GetAsync("/health/ready")).RootElement;
        return health.GetProperty("checks").GetProperty("silo").GetProperty("description").GetString()!.Split(' ')[0];
    }

    /// <summary>True if the silo of that name was declared dead.</summary>
    public static async Task<bool> IsDeadAsync(Deployment deployment, string name)
    {
        await using var redis = await ConnectionMultiplexer.ConnectAsync(deployment.Redis.ConnectionString);
        var row = await redis.GetDatabase().HashGetAsync(Key, name);
        return row.HasValue && JsonDocument.Parse(row.ToString()).RootElement.GetProperty("Status").GetInt32() == Dead;
    }
}
