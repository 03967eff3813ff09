using System.Globalization;
using Actors.Redis;
using StackExchange.Redis;

namespace Actors.Membership;

/// <summary>The strength of a claim in the record.</summary>
internal enum ClaimStep
{
    /// <summary>A starting silo. It gives way to any live cluster.</summary>
    Begin = 'b',

    /// <summary>A silo that is about to join, or that lost contact with Redis. It gives way to clusters that have joined.</summary>
    Join = 'j',

    /// <summary>A silo in contact with Redis. It gives way to no cluster.</summary>
    Keep = 'k',
}

/// <summary>The result of a claim: whether it is recorded, and the other cluster, if any.</summary>
/// <param name="IsRecorded">True if the claim is recorded.</param>
/// <param name="Other">The id of the other cluster seen last; null if there is none.</param>
/// <param name="Silo">The silo of that cluster seen last.</param>
/// <param name="Age">The time since that silo was seen, by the clock of Redis.</param>
internal readonly record struct ClaimAnswer(bool IsRecorded, string? Other, string? Silo, TimeSpan Age)
{
    /// <summary>True if the claim waits for a silent cluster, which may return or be replaced.</summary>
    public bool IsSilent { get; init; }
}

/// <summary>
/// The record in one Redis of the cluster that uses a service id. It has a field per silo with the server time at which the
/// silo was last seen. One script reads and writes it, so one of several clusters that start together comes first.
/// </summary>
/// <param name="redis">The access to Redis.</param>
/// <param name="role">A role that uses the Redis with the record.</param>
/// <param name="clusterId">The id of this cluster.</param>
/// <param name="silo">The name of this silo.</param>
/// <param name="bound">How long a silo counts as alive after it was last seen.</param>
internal sealed class ClusterClaim(RedisGateway redis, RedisRole role, string clusterId, string silo, TimeSpan bound)
{
    /// <summary>
    /// KEYS record; ARGV cluster, silo, bound in ms, step, whether silent clusters are replaced. Records the silo unless
    /// another cluster prevents it. Returns 1 (recorded), 0 (prevented by a live cluster) or 2 (prevented by a silent cluster),
    /// then the other cluster, its silo, and the ms since it was last seen.
    /// </summary>
    private const string Record = """
        local time = redis.call('TIME')
        local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
        local bound, step = tonumber(ARGV[3]), ARGV[4]
        local all = redis.call('HGETALL', KEYS[1])
        local silent, other, silo, age, isLive = {}, false, '', 0, false
        for i = 1, #all, 2 do
          local at, state, cluster = string.match(all[i + 1], '^(%d+) (%a) (.*)$')
          local since = at and math.abs(now - tonumber(at)) or bound
          if since >= bound and all[i] ~= ARGV[2] then silent[#silent + 1] = all[i] end
          if cluster and cluster ~= ARGV[1] then
            local counts = since < bound and (step == 'b' or state == 'k')
            if (counts and not isLive) or (counts == isLive and (not other or since < age)) then
              other, silo, age, isLive = cluster, all[i], since, counts
            end
          end
        end
        if other and step ~= 'k' and (isLive or ARGV[5] == '0') then
          if isLive then redis.call('HDEL', KEYS[1], ARGV[2]) end
          return {isLive and 0 or 2, other, silo, math.floor(age)}
        end
        for i = 1, #silent do redis.call('HDEL', KEYS[1], silent[i]) end
        redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f', now) .. ' ' .. (step == 'b' and 'b' or 'k') .. ' ' .. ARGV[1])
        redis.call('PEXPIRE', KEYS[1], 86400000)
        return {1, isLive and other or false, silo, math.floor(age)}
        """;

    private readonly RedisKey _key = $"{redis.KeyPrefix}:clusters";

    /// <summary>Records this silo unless another cluster prevents it.</summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve the call.</exception>
    public async Task<ClaimAnswer> RecordAsync(ClaimStep step, bool replacesSilent)
    {
        var answer = (RedisResult[])(await redis.EvaluateAsync(role, Record, [_key],
        [
            clusterId, silo, (long)bound.TotalMilliseconds, ((char)step).ToString(CultureInfo.InvariantCulture), replacesSilent ? "1" : "0",
        ]))!;
        var other = (string?)answer[1];
        return new ClaimAnswer((int)answer[0] == 1, other, other is null ? null : (string?)answer[2], TimeSpan.FromMilliseconds((long)answer[3]))
        {
            IsSilent = (int)answer[0] == 2,
        };
    }

    /// <summary>Removes this silo from the record, so the next cluster need not wait.</summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve the call.</exception>
    public Task ReleaseAsync() => redis.EvaluateAsync(role, "return redis.call('HDEL', KEYS[1], ARGV[1])", [_key], [silo]);
}
