using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>
/// Copies of rows in Redis, so that a new activation need not read the database: a hash per key with the fields
/// <c>version</c>, <c>epoch</c>, <c>state</c> and <c>generation</c>. A copy is never replaced by an older one.
/// </summary>
/// <remarks>
/// A copy is valid only if its generation is the current one of its partition. While its circuit is not closed, a silo writes to
/// the database without updating the copies, and other silos may too. During that time the silo neither reads nor writes copies.
/// Once the circuit is closed, it first begins a new generation.
/// </remarks>
internal sealed class RowCache
{
    private readonly RedisGateway _redis;
    private readonly PartitionedSilos _cutOff;
    private readonly CacheOptions _options;
    private readonly Batcher<string, Row?>[] _reads;

    // The closed span in which each partition last began a generation. Any thread; beginning two generations is harmless.
    private readonly Reconciled[] _reconciled;

    public RowCache(RedisGateway redis, PartitionedSilos cutOff, IOptions<CacheOptions> options)
    {
        _redis = redis;
        _cutOff = cutOff;
        _options = options.Value;
        _reconciled = [.. Enumerable.Repeat(new Reconciled(redis.Closed(RedisRole.Cache)), Partition.Count)];
        _reads = [.. Enumerable.Range(0, Partition.Count).Select(_ => new Batcher<string, Row?>(JournalPartition.MaxBatchRows, ReadAsync))];
    }

    /// <summary>
    /// KEYS generation, copies; ARGV mode, then version, epoch, state, time to live in ms for each. Mode "fill" also creates
    /// missing copies; "refresh" only replaces older ones. A missing generation is created from the server's clock, so no value
    /// occurs twice.
    /// </summary>
    private const string Store = """
        local generation = redis.call('GET', KEYS[1])
        if not generation then
          if ARGV[1] ~= 'fill' then return end
          local now = redis.call('TIME')
          generation = now[1] .. '.' .. now[2]
          redis.call('SET', KEYS[1], generation)
        end
        for i = 2, #KEYS do
          local a = 4 * i - 6
          local copy = redis.call('HMGET', KEYS[i], 'version', 'generation')
          local isThere = copy[1] and copy[2] == generation
          if (isThere and copy[1] < ARGV[a]) or (not isThere and ARGV[1] == 'fill') then
            redis.call('HSET', KEYS[i], 'version', ARGV[a], 'epoch', ARGV[a + 1], 'state', ARGV[a + 2], 'generation', generation)
            redis.call('PEXPIRE', KEYS[i], ARGV[a + 3])
          end
        end
        """;

    // Read-only scripts begin with a write that changes nothing: a server that became a replica refuses it, and would otherwise
    // return stale data.

    /// <summary>KEYS generation, copies. Returns version, epoch and state of each.</summary>
    private const string Read = """
        redis.call('PERSIST', KEYS[1])
        local copies = {}
        local generation = redis.call('GET', KEYS[1])
        for i = 2, #KEYS do
          local copy = redis.call('HMGET', KEYS[i], 'version', 'epoch', 'state', 'generation')
          local isThere = generation and copy[4] == generation
          for j = 1, 3 do copies[3 * (i - 2) + j] = isThere and copy[j] or false end
        end
        return copies
        """;

    /// <summary>KEYS generation, copies; ARGV version for each. Returns the positions (from 1) of older copies.</summary>
    private const string Older = """
        redis.call('PERSIST', KEYS[1])
        local older = {}
        local generation = redis.call('GET', KEYS[1])
        for i = 2, #KEYS do
          local copy = redis.call('HMGET', KEYS[i], 'version', 'generation')
          if copy[1] and copy[2] == generation and copy[1] < ARGV[i - 1] then older[#older + 1] = i - 1 end
        end
        return older
        """;

    /// <summary>KEYS copies; ARGV version for each. Removes older copies.</summary>
    private const string Forget = """
        redis.call('HDEL', KEYS[1], '')
        for i = 1, #KEYS do
          local version = redis.call('HGET', KEYS[i], 'version')
          if version and version < ARGV[i] then redis.call('DEL', KEYS[i]) end
        end
        """;

    /// <summary>KEYS copies. Removes them.</summary>
    private const string Remove = """
        return redis.call('DEL', (table.unpack or unpack)(KEYS))
        """;

    /// <summary>KEYS generation. Begins a new generation, which invalidates all copies.</summary>
    private const string Begin = """
        local now = redis.call('TIME')
        redis.call('SET', KEYS[1], now[1] .. '.' .. now[2])
        """;

    /// <summary>The copy of <paramref name="key"/>, or null.</summary>
    public Task<Row?> ReadAsync(string key) => _reads[Partition.Of(key)].AskAsync(key);

    /// <summary>Stores copies of <paramref name="rows"/>, as read from the database.</summary>
    public Task FillAsync(IReadOnlyList<Row> rows) => EachPartitionAsync(rows, row => row.Key, async part =>
    {
        if (await IsReconciledAsync(Partition.Of(part[0].Key))) await StoreAsync("fill", part);
    });

    /// <summary>Updates existing copies of <paramref name="rows"/>; creates none.</summary>
    public Task RefreshAsync(IReadOnlyList<Row> rows) => EachPartitionAsync(rows, row => row.Key, RefreshAsync);

    /// <summary>Removes copies that are older than the version given for their key.</summary>
    public Task ForgetAsync(IReadOnlyCollection<KeyValuePair<string, long>> versions) =>
        EachPartitionAsync(versions, entry => entry.Key, part => _redis.EvaluateAsync(
            RedisRole.Cache,
            Forget,
            Array.ConvertAll(part, entry => KeyOf(entry.Key)),
            Array.ConvertAll(part, entry => JournalFormat.Version(entry.Value)),
            patience: TimeSpan.Zero));

    /// <summary>Removes the copies of <paramref name="keys"/>, whatever their version.</summary>
    public Task RemoveAsync(IReadOnlyList<string> keys) => EachPartitionAsync(keys, key => key, part => _redis.EvaluateAsync(
        RedisRole.Cache, Remove, Array.ConvertAll(part, KeyOf), []));

    /// <summary>Invalidates all copies.</summary>
    public Task VoidAsync() => Task.WhenAll(Enumerable.Range(0, Partition.Count)
        .Select(partition => _redis.EvaluateAsync(RedisRole.Cache, Begin, [GenerationOf(partition)], [])));

    /// <summary>
    /// Invalidates all copies from before the circuit last closed or the connection last changed: another server may hold copies
    /// that were only updated on the former one. False while the circuit is not closed or another silo is cut off.
    /// </summary>
    private async ValueTask<bool> IsReconciledAsync(int partition)
    {
        if (_cutOff.IsAny || _redis.Closed(RedisRole.Cache) is not { } span) return false;
        if (Volatile.Read(ref _reconciled[partition]).In == span) return true;
        await _redis.EvaluateAsync(RedisRole.Cache, Begin, [GenerationOf(partition)], []);
        Volatile.Write(ref _reconciled[partition], new Reconciled(span));
        return true;
    }

    private async Task<IReadOnlyList<Row?>> ReadAsync(IReadOnlyList<string> keys)
    {
        var partition = Partition.Of(keys[0]);
        if (!await IsReconciledAsync(partition)) return new Row?[keys.Count];
        var copies = (RedisValue[])(await _redis.EvaluateAsync(RedisRole.Cache, Read, [GenerationOf(partition), .. keys.Select(KeyOf)], []))!;
        return [.. keys.Select((key, i) => copies[3 * i].IsNull ? null : new Row(
            key, JournalFormat.ParseVersion(copies[3 * i]), JournalFormat.Epoch(copies[(3 * i) + 1]), (byte[])copies[(3 * i) + 2]!))];
    }

    // First asks which copies exist: most rows have none, and their states need not be sent.
    private async Task RefreshAsync(Row[] rows)
    {
        var older = (RedisValue[])(await _redis.EvaluateAsync(
            RedisRole.Cache,
            Older,
            KeysOf(rows),
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

        return _redis.EvaluateAsync(RedisRole.Cache, Store, KeysOf(rows), arguments);
    }

    // One script per partition, because all keys of a script must share a hash tag.
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

    private RedisKey[] KeysOf(Row[] rows) => [GenerationOf(Partition.Of(rows[0].Key)), .. rows.Select(row => KeyOf(row.Key))];

    private RedisKey GenerationOf(int partition) => $"{_redis.KeyPrefix}:cache-generation:{Partition.Tag(partition)}";

    private RedisKey KeyOf(string key) => $"{_redis.KeyPrefix}:cache:{Partition.Tag(Partition.Of(key))}:{key}";

    /// <summary>Replaced as a whole.</summary>
    private sealed record Reconciled(ClosedSpan? In);
}
