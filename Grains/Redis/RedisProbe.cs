using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// Runs every command that the scripts of a role use, on a separate key. A server that is full, demoted or lacks a right
/// refuses one of them, although it answers a PING or a single write.
/// </summary>
internal static class RedisProbe
{
    private const string Common = """
        redis.call('SET', KEYS[1], '1', 'PX', '10000')
        redis.call('GET', KEYS[1])
        redis.call('PERSIST', KEYS[1])
        redis.call('PEXPIRE', KEYS[1], '10000')
        redis.call('DEL', KEYS[1])
        redis.call('TIME')

        """;

    private const string Hashes = """
        redis.call('HSET', KEYS[1], 'f', '1')
        redis.call('PEXPIRE', KEYS[1], '10000')
        redis.call('HGET', KEYS[1], 'f')
        redis.call('HMGET', KEYS[1], 'f')
        redis.call('HDEL', KEYS[1], 'g')

        """;

    private const string Journal = """
        redis.call('HEXISTS', KEYS[1], 'f')
        redis.call('HLEN', KEYS[1])

        """;

    private const string Limits = """
        redis.call('ZADD', KEYS[2], '1', 'm')
        redis.call('PEXPIRE', KEYS[2], '10000')
        redis.call('RENAME', KEYS[2], KEYS[1])
        redis.call('ZCARD', KEYS[1])
        redis.call('ZSCORE', KEYS[1], 'm')
        redis.call('ZRANGE', KEYS[1], '0', '0')
        redis.call('ZREVRANGE', KEYS[1], '0', '0')
        redis.call('ZRANGEBYSCORE', KEYS[1], '0', '0')
        redis.call('ZREVRANGEBYSCORE', KEYS[1], '0', '0')
        redis.call('ZREMRANGEBYRANK', KEYS[1], '1', '1')
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '0', '0')
        redis.call('ZREM', KEYS[1], 'n')

        """;

    /// <summary>The script with the commands of <paramref name="role"/>.</summary>
    public static string ScriptOf(RedisRole role) => role switch
    {
        RedisRole.Journal => Common + Hashes + Journal,
        RedisRole.Cache => Common + Hashes,
        RedisRole.Limits => Common + Limits,
        _ => throw new ArgumentOutOfRangeException(nameof(role), role, null),
    };

    /// <summary>Runs the script. It fails as a call of the role would.</summary>
    public static Task<RedisResult> RunAsync(IDatabase redis, string keyPrefix, RedisRole role)
    {
        // One hash tag, because all keys of a script must be on one server of a cluster.
        var key = $"{keyPrefix}:probe:{{{role.ToString().ToLowerInvariant()}}}";
        return redis.ScriptEvaluateAsync(ScriptOf(role), [key, key + ":2"], [], CommandFlags.DemandMaster);
    }
}
