using System.Globalization;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>Reads what Redis reports about itself.</summary>
internal static class RedisInfo
{
    public static async Task<RedisHealth> ReadAsync(IDatabase redis, TimeProvider clock)
    {
        var text = (string?)await redis.ExecuteAsync("INFO") ?? "";
        var fields = new Dictionary<string, string>();
        foreach (var line in text.Split('\n', StringSplitOptions.TrimEntries))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0) fields[line[..colon]] = line[(colon + 1)..];
        }

        var persistence = fields.GetValueOrDefault("aof_enabled") switch
        {
            "1" => RedisPersistence.Log,
            "0" => await SnapshotsAsync(redis),
            _ => RedisPersistence.Unknown,
        };
        return new RedisHealth
        {
            At = clock.GetUtcNow(),
            Version = fields.GetValueOrDefault("redis_version", ""),
            Uptime = TimeSpan.FromSeconds(Number("uptime_in_seconds")),
            UsedMemory = Number("used_memory"),
            MaxMemory = Number("maxmemory"),
            ConnectedClients = Number("connected_clients"),
            EvictedKeys = Number("evicted_keys"),
            KeyspaceHits = Number("keyspace_hits"),
            KeyspaceMisses = Number("keyspace_misses"),
            MaxMemoryPolicy = fields.GetValueOrDefault("maxmemory_policy", ""),
            Persistence = persistence,
        };

        long Number(string name) =>
            long.TryParse(fields.GetValueOrDefault(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;
    }

    // INFO does not show whether the server takes snapshots.
    private static async Task<RedisPersistence> SnapshotsAsync(IDatabase redis)
    {
        try
        {
            var answer = await redis.ExecuteAsync("CONFIG", "GET", "save");
            return answer.ToDictionary().TryGetValue("save", out var save)
                ? string.IsNullOrWhiteSpace((string?)save) ? RedisPersistence.None : RedisPersistence.Snapshots
                : RedisPersistence.NoLog;
        }
        catch (RedisServerException)
        {
            // The server lacks the command or denies it.
            return RedisPersistence.NoLog;
        }
    }
}
