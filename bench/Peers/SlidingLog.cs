using StackExchange.Redis;

namespace Actors.Bench.Peers;

/// <summary>
/// The common recipe without Actors: a sliding log in a sorted set per client, decided by one script that any caller runs. It
/// uses one multiplexer, a loaded script, and prepared keys and arguments.
/// </summary>
internal sealed class SlidingLog : IAsyncDisposable
{
    // Scores are sent to Redis as exact numbers; a denial returns at once; members are unique and short.
    private const string Script =
        """
        local t = redis.call('TIME')
        local now = t[1] * 1000000 + t[2]
        redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
        if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
        redis.call('ZADD', KEYS[1], now, ARGV[3])
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        return 1
        """;

    private readonly ConnectionMultiplexer _redis;
    private readonly IDatabase _database;
    private readonly byte[] _script;
    private readonly RedisValue _limit;
    private readonly RedisValue _microseconds;
    private readonly RedisValue _milliseconds;

    // Changed by Interlocked only; makes members unique.
    private long _member;

    private SlidingLog(ConnectionMultiplexer redis, byte[] script, RateLimitWindow window)
    {
        _redis = redis;
        _database = redis.GetDatabase();
        _script = script;
        _limit = window.Limit;
        _microseconds = (long)window.Duration.TotalMicroseconds;
        _milliseconds = (long)window.Duration.TotalMilliseconds;
    }

    public static async Task<SlidingLog> ConnectAsync(string redis, RateLimitWindow window)
    {
        var connection = await ConnectionMultiplexer.ConnectAsync(redis);
        return new(connection, await connection.GetServers()[0].ScriptLoadAsync(Script), window);
    }

    /// <summary>True if a permit is granted. The keys are the client's sorted set.</summary>
    public async Task<bool> AcquireAsync(RedisKey[] key) =>
        (int)await _database.ScriptEvaluateAsync(_script, key, [_microseconds, _limit, Interlocked.Increment(ref _member), _milliseconds]) == 1;

    /// <summary>The number of grants in a client's set.</summary>
    public Task<long> CountAsync(RedisKey key) => _database.SortedSetLengthAsync(key);

    public ValueTask DisposeAsync() => _redis.DisposeAsync();
}
