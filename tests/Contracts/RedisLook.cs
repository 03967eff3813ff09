using Actors.Core;
using Actors.WriteBehind;
using StackExchange.Redis;

namespace Actors.Contracts;

/// <summary>Reads the journal without the code under test.</summary>
internal sealed class RedisLook : IAsyncDisposable
{
    private readonly ConnectionMultiplexer _redis;
    private readonly string _prefix;

    private RedisLook(ConnectionMultiplexer redis, string prefix) => (_redis, _prefix) = (redis, prefix);

    public static async Task<RedisLook> OpenAsync(string connectionString, string prefix) =>
        new(await ConnectionMultiplexer.ConnectAsync(connectionString), prefix);

    public async Task<Row?> RowAsync(string key)
    {
        var row = (byte[]?)await _redis.GetDatabase().HashGetAsync(NameOf("rows", Partition.Of(key)), key);
        return row is null ? null : JournalFormat.Decode(key, row);
    }

    /// <summary>The number of fields of a hash over all partitions.</summary>
    public async Task<long> LengthAsync(string hash) => (await Task.WhenAll(Enumerable.Range(0, Partition.Count)
        .Select(partition => _redis.GetDatabase().HashLengthAsync(NameOf(hash, partition))))).Sum();

    /// <summary>Sets the epoch counter back, like a failover that lost recent writes.</summary>
    public Task SetEpochAsync(string key, long epoch) => _redis.GetDatabase().StringSetAsync(NameOf("epoch", Partition.Of(key)), epoch);

    /// <summary>Sends an append with this number; returns its error, or null.</summary>
    public async Task<string?> AppendAsync(string silo, long number, Row row)
    {
        var partition = Partition.Of(row.Key);
        var encoded = new byte[JournalFormat.LengthOf(row)];
        JournalFormat.Encode(row, encoded);
        try
        {
            await _redis.GetDatabase().ScriptEvaluateAsync(
                JournalScripts.Append,
                [NameOf("owners", partition), NameOf("rows", partition), NameOf($"last:{silo}", partition)],
                [JournalFormat.Number(number), row.Key, encoded]);
            return null;
        }
        catch (RedisServerException error)
        {
            return error.Message;
        }
    }

    public Task ForgetOwnerAsync(string key) => _redis.GetDatabase().HashDeleteAsync(NameOf("owners", Partition.Of(key)), key);

    public ValueTask DisposeAsync() => _redis.DisposeAsync();

    private string NameOf(string hash, int partition) => $"{_prefix}:journal:{{{partition}}}:{hash}";
}
