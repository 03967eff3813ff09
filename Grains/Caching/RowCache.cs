using Actors.Resilience;
using Actors.WriteBehind;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors.Caching;

/// <summary>
/// Copies of rows in Redis, so that a new activation is spared a read of the database: a hash per key with the fields
/// <c>version</c>, <c>epoch</c> and <c>state</c>. A copy is never replaced by an older one.
/// </summary>
internal sealed class RowCache(RedisGateway redis, IOptions<CacheOptions> options)
{
    private static readonly RedisValue[] Fields = ["version", "epoch", "state"];

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

    /// <summary>KEYS copies; ARGV version for each. Removes copies older than that.</summary>
    private const string Forget = """
        for i = 1, #KEYS do
          local version = redis.call('HGET', KEYS[i], 'version')
          if version and version < ARGV[i] then redis.call('DEL', KEYS[i]) end
        end
        """;

    /// <summary>The copy of <paramref name="key"/>, or null.</summary>
    public async Task<Row?> ReadAsync(string key)
    {
        var copy = await redis.HashGetAsync(RedisRole.Cache, KeyOf(key), Fields);
        return copy[0].IsNull ? null : new Row(key, JournalFormat.ParseVersion(copy[0]), JournalFormat.Epoch(copy[1]), (byte[])copy[2]!);
    }

    /// <summary>Keeps a copy of <paramref name="row"/>, as it was read from the database.</summary>
    public Task FillAsync(Row row) => StoreAsync("fill", [row]);

    /// <summary>Brings the copies there are of <paramref name="rows"/> up to date; makes none.</summary>
    public Task RefreshAsync(IReadOnlyList<Row> rows) => EachPartitionAsync(rows, row => row.Key, part => StoreAsync("refresh", part));

    /// <summary>Removes the copies of the keys that are older than the version given.</summary>
    public Task ForgetAsync(IReadOnlyCollection<KeyValuePair<string, long>> versions) =>
        EachPartitionAsync(versions, entry => entry.Key, part => redis.EvaluateAsync(
            RedisRole.Cache,
            Forget,
            Array.ConvertAll(part, entry => KeyOf(entry.Key)),
            Array.ConvertAll(part, entry => JournalFormat.Version(entry.Value))));

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

        return redis.EvaluateAsync(RedisRole.Cache, Store, Array.ConvertAll(rows, row => KeyOf(row.Key)), arguments);
    }

    // One script per partition, since all keys of a script must share a hash tag.
    private static Task EachPartitionAsync<T>(IEnumerable<T> items, Func<T, string> keyOf, Func<T[], Task> run) =>
        Task.WhenAll(items
            .GroupBy(item => Partition.Of(keyOf(item)))
            .SelectMany(group => group.Chunk(JournalPartition.MaxBatchRows))
            .Select(run));

    private long TimeToLive()
    {
        var jitter = 1 + (options.Value.Jitter * ((2 * Random.Shared.NextDouble()) - 1));
        return (long)(options.Value.TimeToLive * jitter).TotalMilliseconds;
    }

    private RedisKey KeyOf(string key) => $"{redis.KeyPrefix}:cache:{Partition.Tag(Partition.Of(key))}:{key}";
}
