using Actors.Resilience;
using Actors.WriteBehind;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors.Caching;

/// <summary>
/// Copies of rows in Redis, so that a new activation is spared a read of the database: a hash per key with the fields
/// <c>version</c>, <c>epoch</c> and <c>state</c>. A copy is never replaced by an older one.
/// </summary>
internal sealed class RowCache
{
    private readonly RedisGateway _redis;
    private readonly CacheOptions _options;
    private readonly Batcher<string, Row?>[] _reads;

    public RowCache(RedisGateway redis, IOptions<CacheOptions> options)
    {
        _redis = redis;
        _options = options.Value;
        _reads = [.. Enumerable.Range(0, Partition.Count).Select(_ => new Batcher<string, Row?>(JournalPartition.MaxBatchRows, ReadAsync))];
    }

    /// <summary>
    /// KEYS copies; ARGV mode, then version, epoch, state, time to live in ms for each. Mode "fill" also makes copies that
    /// are not there; "refresh" replaces older ones only.
    /// </summary>
    private const string Store = """
        for i = 1, #KEYS do
          local a = 4 * i - 2
          local version = redis.call('HGET', KEYS[i], 'version')
          if (version and version < ARGV[a]) or (not version and ARGV[1] == 'fill') then
            redis.call('HSET', KEYS[i], 'version', ARGV[a], 'epoch', ARGV[a + 1], 'state', ARGV[a + 2])
            redis.call('PEXPIRE', KEYS[i], ARGV[a + 3])
          end
        end
        """;

    /// <summary>KEYS copies. Returns version, epoch and state of each.</summary>
    private const string Read = """
        local copies = {}
        for i = 1, #KEYS do
          local copy = redis.call('HMGET', KEYS[i], 'version', 'epoch', 'state')
          for j = 1, 3 do copies[3 * (i - 1) + j] = copy[j] end
        end
        return copies
        """;

    /// <summary>KEYS copies; ARGV version for each. Returns the positions (from 1) of copies older than that.</summary>
    private const string Older = """
        local older = {}
        for i = 1, #KEYS do
          local version = redis.call('HGET', KEYS[i], 'version')
          if version and version < ARGV[i] then older[#older + 1] = i end
        end
        return older
        """;

    /// <summary>KEYS copies; ARGV version for each. Removes copies older than that.</summary>
    private const string Forget = """
        for i = 1, #KEYS do
          local version = redis.call('HGET', KEYS[i], 'version')
          if version and version < ARGV[i] then redis.call('DEL', KEYS[i]) end
        end
        """;

    /// <summary>The copy of <paramref name="key"/>, or null.</summary>
    public Task<Row?> ReadAsync(string key) => _reads[Partition.Of(key)].AskAsync(key);

    /// <summary>Keeps copies of <paramref name="rows"/>, as they were read from the database.</summary>
    public Task FillAsync(IReadOnlyList<Row> rows) => EachPartitionAsync(rows, row => row.Key, part => StoreAsync("fill", part));

    /// <summary>Brings the copies there are of <paramref name="rows"/> up to date; makes none.</summary>
    public Task RefreshAsync(IReadOnlyList<Row> rows) => EachPartitionAsync(rows, row => row.Key, RefreshAsync);

    /// <summary>Removes the copies of the keys that are older than the version given.</summary>
    public Task ForgetAsync(IReadOnlyCollection<KeyValuePair<string, long>> versions) =>
        EachPartitionAsync(versions, entry => entry.Key, part => _redis.EvaluateAsync(
            RedisRole.Cache,
            Forget,
            Array.ConvertAll(part, entry => KeyOf(entry.Key)),
            Array.ConvertAll(part, entry => JournalFormat.Version(entry.Value))));

    private async Task<IReadOnlyList<Row?>> ReadAsync(IReadOnlyList<string> keys)
    {
        var copies = (RedisValue[])(await _redis.EvaluateAsync(RedisRole.Cache, Read, [.. keys.Select(KeyOf)], []))!;
        return [.. keys.Select((key, i) => copies[3 * i].IsNull ? null : new Row(
            key, JournalFormat.ParseVersion(copies[3 * i]), JournalFormat.Epoch(copies[(3 * i) + 1]), (byte[])copies[(3 * i) + 2]!))];
    }

    // Asks first which copies there are: most rows have none, and their states need not travel.
    private async Task RefreshAsync(Row[] rows)
    {
        var older = (RedisValue[])(await _redis.EvaluateAsync(
            RedisRole.Cache,
            Older,
            Array.ConvertAll(rows, row => KeyOf(row.Key)),
            Array.ConvertAll(rows, row => JournalFormat.Version(row.Version))))!;
        if (older.Length > 0) await StoreAsync("refresh", Array.ConvertAll(older, position => rows[(int)position - 1]));
    }

    private Task StoreAsync(string mode, Row[] rows)
    {
        var arguments = new RedisValue[1 + (4 * rows.Length)];
        arguments[0] = mode;
        for (var i = 0; i < rows.Length; i++)
        {
            arguments[(4 * i) + 1] = JournalFormat.Version(rows[i].Version);
            arguments[(4 * i) + 2] = JournalFormat.Epoch(rows[i].Epoch);
            arguments[(4 * i) + 3] = rows[i].State;
            arguments[(4 * i) + 4] = TimeToLive();
        }

        return _redis.EvaluateAsync(RedisRole.Cache, Store, Array.ConvertAll(rows, row => KeyOf(row.Key)), arguments);
    }

    // One script per partition, since all keys of a script must share a hash tag.
    private static Task EachPartitionAsync<T>(IEnumerable<T> items, Func<T, string> keyOf, Func<T[], Task> run) =>
        Task.WhenAll(items
            .GroupBy(item => Partition.Of(keyOf(item)))
            .SelectMany(group => group.Chunk(JournalPartition.MaxBatchRows))
            .Select(run));

    private long TimeToLive()
    {
        var jitter = 1 + (_options.Jitter * ((2 * Random.Shared.NextDouble()) - 1));
        return (long)(_options.TimeToLive * jitter).TotalMilliseconds;
    }

    private RedisKey KeyOf(string key) => $"{_redis.KeyPrefix}:cache:{Partition.Tag(Partition.Of(key))}:{key}";
}
