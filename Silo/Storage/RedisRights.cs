using Actors.Redis;
using StackExchange.Redis;

namespace Actors.Silo.Storage;

/// <summary>
/// Finds the rights that a silo's Redis user lacks. Redis does not name the key in its error. So each kind of key is used once,
/// and each command is tried on an empty key.
/// </summary>
/// <param name="serviceId">The prefix of the keys.</param>
/// <param name="roles">The roles of this Redis.</param>
/// <param name="clusterId">The cluster whose membership table is in this Redis; null if the table is in another.</param>
/// <param name="waitsForReplicas">True if journal writes wait for replicas.</param>
internal sealed class RedisRights(string serviceId, IReadOnlyList<RedisRole> roles, string? clusterId, bool waitsForReplicas)
{
    private const string Field = "rights-probe";

    // The commands of the scripts and of the code, in an order in which each finds a key of its type.
    private static readonly string[] Commands =
    [
        "TIME", "DEL @", "HSET @ a 1", "HGET @ a", "HMGET @ a", "HGETALL @", "HSETNX @ a 1", "HEXISTS @ a", "HLEN @", "HDEL @ b",
        "PEXPIRE @ 10000", "PERSIST @", "DEL @",
        "ZADD @ 1 a", "ZCARD @", "ZRANGE @ 0 -1", "ZREVRANGE @ 0 -1", "ZRANGEBYSCORE @ 0 1", "ZREVRANGEBYSCORE @ 1 0", "ZSCORE @ a",
        "ZREM @ b", "ZREMRANGEBYRANK @ 5 6", "ZREMRANGEBYSCORE @ 5 6", "RENAME @ @", "DEL @", "SETEX @ 10 1", "SET @ 1", "GET @", "DEL @",
    ];

    /// <summary>True if the error says that a right is missing.</summary>
    public static bool IsMissing(string error) =>
        error.Contains("NOPERM", StringComparison.Ordinal) || error.Contains("permission", StringComparison.Ordinal);

    /// <summary>The missing rights in the syntax of ACL SETUSER; empty if there are none.</summary>
    public async Task<string> FindMissingAsync(IDatabase redis)
    {
        var missing = new List<string>();
        string? usable = null;
        foreach (var (key, pattern) in Keys())
        {
            // One read and one write of a field that does not exist.
            await TryAsync(redis, missing, pattern, "HGET", key, Field);
            await TryAsync(redis, missing, pattern, "HDEL", key, Field);
            if (!missing.Contains("~" + pattern) && key.Contains(":probe:", StringComparison.Ordinal)) usable ??= $"{key}:rights";
        }

        if (usable is not null)
        {
            await TryAsync(redis, missing, usable, "PING");
            await TryAsync(redis, missing, usable, "EVALSHA", new string('0', 40), 1, usable);
            await TryAsync(redis, missing, usable, "HSCAN", usable, 0);
            await TryAsync(redis, missing, usable, "EVAL", "return 1", 1, usable);
            foreach (var command in Commands)
            {
                var words = command.Replace("@", usable, StringComparison.Ordinal).Split(' ');
                await TryAsync(redis, missing, usable, words[0], words[1..]);
            }

            if (waitsForReplicas && roles.Contains(RedisRole.Journal)) await TryAsync(redis, missing, usable, "WAIT", 0, 1);
            if (clusterId is not null) await TryTransactionAsync(redis, usable, missing);
        }

        return string.Join(' ', missing.Distinct(StringComparer.Ordinal));
    }

    // A transaction like those that write the membership table.
    private static async Task TryTransactionAsync(IDatabase redis, string key, List<string> missing)
    {
        try
        {
            var transaction = redis.CreateTransaction();
            transaction.AddCondition(Condition.HashNotExists(key, Field));
            var read = transaction.HashGetAsync(key, Field);
            if (await transaction.ExecuteAsync()) await read;
        }
        catch (RedisServerException error) when (IsMissing(error.Message))
        {
            missing.AddRange(["+multi", "+exec", "+watch", "+unwatch", "+discard", "+hexists"]);
        }
    }

    private static async Task TryAsync(IDatabase redis, List<string> missing, string pattern, string command, params object[] arguments)
    {
        try
        {
            await redis.ExecuteAsync(command, arguments);
        }
        catch (RedisServerException error) when (IsMissing(error.Message))
        {
            var isKey = error.Message.Contains(" key", StringComparison.Ordinal);
            missing.Add(isKey ? "~" + pattern : "+" + command.ToLowerInvariant());
        }
        catch (RedisServerException error) when (!RedisFailures.IsAway(error))
        {
            // The argument or type is wrong, but the command was permitted.
        }
    }

    /// <summary>A key of each kind, and the pattern that matches all keys of that kind.</summary>
    private IEnumerable<(string Key, string Pattern)> Keys()
    {
        foreach (var role in roles)
        {
            var name = role.ToString().ToLowerInvariant();
            yield return ($"{serviceId}:probe:{name}", $"{serviceId}:*");
            yield return ($"{serviceId}:{name}:{{0}}:{Field}", $"{serviceId}:*");
        }

        yield return ($"{serviceId}:clusters", $"{serviceId}:*");
        if (roles.Contains(RedisRole.Limits)) yield return ($"{serviceId}/state/rate-limiter/{Field}/policies", $"{serviceId}/*");
        if (clusterId is not null) yield return ($"{serviceId}/members/{clusterId}", $"{serviceId}/*");
    }
}
