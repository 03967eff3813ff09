using System.Runtime.CompilerServices;
using Actors.Resilience;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>
/// What is acknowledged and not yet in the database, in Redis, where it outlives this silo. Also the arbiter of who may
/// write a key. Layout and rules: <see cref="JournalScripts"/>.
/// </summary>
internal sealed class Journal
{
    private const int ScanPage = 500;

    private readonly RedisGateway _redis;
    private readonly string _silo;
    private readonly JournalPartition[] _partitions;

    public Journal(RedisGateway redis, string silo, WriteBehindCounters counters, ILogger logger)
    {
        _redis = redis;
        _silo = silo;
        _partitions = [.. Enumerable.Range(0, Partition.Count).Select(index => new JournalPartition(redis, index, counters, logger))];
    }

    /// <summary>Makes the caller the owner of <paramref name="key"/> and returns what is journaled for it, if anything.</summary>
    public async Task<(Ownership Owner, Row? Row)> ClaimAsync(string key)
    {
        var partition = PartitionOf(key);
        var result = (RedisResult[])(await _redis.EvaluateAsync(
            RedisRole.Journal, JournalScripts.Claim, [partition.Owners, partition.Rows, partition.Epoch], [key, _silo]))!;
        var row = (byte[]?)result[1];
        return (new Ownership(key, JournalFormat.Epoch((RedisValue)result[0])), row is null ? null : JournalFormat.Decode(key, row));
    }

    /// <summary>Journals <paramref name="row"/>, together with whatever else this silo has to journal at the moment.</summary>
    public Task<AppendOutcome> AppendAsync(Row row) => PartitionOf(row.Key).AppendAsync(row);

    /// <summary>
    /// Gives up <paramref name="owner"/>, so that nothing of it is kept once its last row is flushed. False where the journal
    /// knows no such owner: another has claimed the key, or the journal was lost, and the rows with it.
    /// </summary>
    public async Task<bool> ReleaseAsync(Ownership owner)
    {
        var partition = PartitionOf(owner.Key);
        return (bool)await _redis.EvaluateAsync(
            RedisRole.Journal, JournalScripts.Release, [partition.Owners, partition.Rows], [owner.Key, JournalFormat.Epoch(owner.Epoch)]);
    }

    /// <summary>Removes what is in the database by now: each key up to the version given.</summary>
    public Task TrimAsync(IEnumerable<KeyValuePair<string, long>> flushed)
    {
        var trims = flushed
            .GroupBy(entry => Partition.Of(entry.Key))
            .SelectMany(group => group.Chunk(JournalPartition.MaxBatchRows).Select(chunk => TrimAsync(_partitions[group.Key], chunk)));
        return Task.WhenAll(trims);
    }

    /// <summary>
    /// The rows that silos which <paramref name="isGone"/> left unflushed in <paramref name="partition"/>. Each row is this
    /// silo's to flush from the moment it is returned. Among them are rows that are this silo's already and have no owner:
    /// the answer to an earlier adoption may have been lost, and nobody else would flush what it took over.
    /// </summary>
    public async IAsyncEnumerable<Row> AdoptAsync(
        int partition, Func<string, bool> isGone, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (owners, rows) = (_partitions[partition].Owners, _partitions[partition].Rows);
        var left = new List<RedisValue> { _silo };
        await foreach (var owner in _redis.HashScanAsync(RedisRole.Journal, owners, ScanPage).WithCancellation(cancellationToken))
        {
            if (!IsLeft((byte[])owner.Value!)) continue;
            left.Add(owner.Name);
            left.Add(owner.Value);
            if (left.Count <= 2 * ScanPage) continue;
            foreach (var row in await AdoptAsync(owners, rows, left)) yield return row;
            left.RemoveRange(1, left.Count - 1);
        }

        if (left.Count == 1) yield break;
        foreach (var row in await AdoptAsync(owners, rows, left)) yield return row;

        bool IsLeft(byte[] owner)
        {
            var silo = JournalFormat.Silo(owner);
            return silo == _silo ? JournalFormat.IsOwnerless(owner) : isGone(silo);
        }
    }

    private async Task<IEnumerable<Row>> AdoptAsync(RedisKey owners, RedisKey rows, List<RedisValue> left)
    {
        var adopted = (RedisResult[])(await _redis.EvaluateAsync(
            RedisRole.Journal, JournalScripts.Adopt, [owners, rows], [.. left]))!;
        return adopted.Chunk(2).Select(pair => JournalFormat.Decode((string)pair[0]!, (byte[])pair[1]!));
    }

    private Task TrimAsync(JournalPartition partition, KeyValuePair<string, long>[] flushed)
    {
        var arguments = new RedisValue[2 * flushed.Length];
        for (var i = 0; i < flushed.Length; i++)
        {
            arguments[2 * i] = flushed[i].Key;
            arguments[(2 * i) + 1] = JournalFormat.Version(flushed[i].Value);
        }

        return _redis.EvaluateAsync(RedisRole.Journal, JournalScripts.Trim, [partition.Owners, partition.Rows], arguments);
    }

    private JournalPartition PartitionOf(string key) => _partitions[Partition.Of(key)];
}
