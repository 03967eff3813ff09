using System.Runtime.CompilerServices;
using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>A key claimed.</summary>
/// <param name="Owner">The ownership.</param>
/// <param name="Row">What is journaled for the key, if anything.</param>
internal readonly record struct Claim(Ownership Owner, Row? Row)
{
    /// <summary>The silo of the former owner, if that had not released the key.</summary>
    public string? FormerSilo { get; init; }

    /// <summary>True where it was taken from an owner that had not released it.</summary>
    public bool WasOwned => FormerSilo is not null;
}

/// <summary>A row that is in the database.</summary>
internal readonly record struct FlushedRow(string Key, long Version, long Epoch);

/// <summary>
/// What is acknowledged and not yet in the database, in Redis, where it outlives this silo. Also the arbiter of who may
/// write a key. Layout and rules: <see cref="JournalScripts"/>.
/// </summary>
internal sealed class Journal
{
    private const int ScanPage = 500;
    private const int MaxClaims = 5;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    private readonly RedisGateway _redis;
    private readonly string _silo;
    private readonly TimeSpan _patience;
    private readonly TimeProvider _clock;
    private readonly JournalPartition[] _partitions;
    private readonly Batcher<string, Claim>[] _claims;
    private readonly Batcher<(Ownership Owner, long Unflushed), bool>[] _releases;

    /// <param name="redis">The way to Redis.</param>
    /// <param name="silo">The name of this silo.</param>
    /// <param name="journaled">Is given each row once it is journaled, before its writers know.</param>
    /// <param name="counters">What is counted.</param>
    /// <param name="logger">Where defects are logged.</param>
    /// <param name="patience">See <see cref="WriteBehindOptions.JournalGracePeriod"/>.</param>
    /// <param name="clock">The clock of its pauses.</param>
    public Journal(
        RedisGateway redis, string silo, Action<Row> journaled, WriteBehindCounters counters, ILogger logger,
        TimeSpan patience = default, TimeProvider? clock = null)
    {
        _redis = redis;
        _silo = silo;
        _patience = patience;
        _clock = clock ?? TimeProvider.System;
        _partitions = [.. Enumerable.Range(0, Partition.Count).Select(index => new JournalPartition(redis, silo, index, journaled, counters, logger))];
        _claims = Array.ConvertAll(_partitions, partition =>
            new Batcher<string, Claim>(JournalPartition.MaxBatchRows, keys => ClaimAsync(partition, keys)));
        _releases = Array.ConvertAll(_partitions, partition =>
            new Batcher<(Ownership Owner, long Unflushed), bool>(JournalPartition.MaxBatchRows, owners => ReleaseAsync(partition, owners)));
    }

    /// <summary>Another after each new connection, whose server may not have heard of the last rows.</summary>
    public long Connection => _redis.Reconnects(RedisRole.Journal);

    /// <summary>Makes the caller the owner of <paramref name="key"/> and returns what is journaled for it, if anything.</summary>
    public Task<Claim> ClaimAsync(string key) => _claims[Partition.Of(key)].AskAsync(key);

    /// <summary>Journals <paramref name="row"/>, together with whatever else this silo has to journal at the moment.</summary>
    public Task<AppendOutcome> AppendAsync(Row row) => PartitionOf(row.Key).AppendAsync(row);

    /// <summary>
    /// Gives up <paramref name="owner"/>, so that nothing of it is kept once its last row is flushed. False where the journal
    /// knows no such owner: another has claimed the key, or the journal was lost, and the rows with it. Nor is it released
    /// where the journal has lost <paramref name="unflushed"/>, the version that waits to be flushed (0: none).
    /// </summary>
    public Task<bool> ReleaseAsync(Ownership owner, long unflushed = 0) => _releases[Partition.Of(owner.Key)].AskAsync((owner, unflushed));

    /// <summary>Removes what is in the database by now: each of the rows given, and earlier ones of their keys.</summary>
    public Task TrimAsync(IEnumerable<FlushedRow> flushed)
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
    /// <param name="partition">The partition.</param>
    /// <param name="isGone">Tells which silos have gone.</param>
    /// <param name="adopting">Is given keys just before their ownership ends, also those of which there is no row.</param>
    /// <param name="cancellationToken">Ends it between two pages.</param>
    public async IAsyncEnumerable<Row> AdoptAsync(
        int partition, Func<string, bool> isGone, Func<IReadOnlyList<string>, Task> adopting,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (owners, rows) = (_partitions[partition].Owners, _partitions[partition].Rows);
        var left = new List<RedisValue> { _silo };

        // What a server that has become a replica has not heard of would be left where it is.
        await _redis.EvaluateAsync(RedisRole.Journal, JournalScripts.EnsurePrimary, [owners], []);
        await foreach (var owner in _redis.HashScanAsync(RedisRole.Journal, owners, ScanPage).WithCancellation(cancellationToken))
        {
            if (!IsLeft((byte[])owner.Value!)) continue;
            left.Add(owner.Name);
            left.Add(owner.Value);
            if (left.Count <= 2 * ScanPage) continue;
            await adopting(KeysOf(left));
            foreach (var row in await AdoptAsync(owners, rows, left)) yield return row;
            left.RemoveRange(1, left.Count - 1);
        }

        if (left.Count == 1) yield break;
        await adopting(KeysOf(left));
        foreach (var row in await AdoptAsync(owners, rows, left)) yield return row;

        bool IsLeft(byte[] owner)
        {
            var silo = JournalFormat.Silo(owner);
            return silo == _silo ? JournalFormat.IsOwnerless(owner) : isGone(silo);
        }
    }

    private static List<string> KeysOf(List<RedisValue> left) => [.. left.Skip(1).Chunk(2).Select(pair => (string)pair[0]!)];

    private async Task<IReadOnlyList<Claim>> ClaimAsync(JournalPartition partition, IReadOnlyList<string> keys)
    {
        var claims = await EvaluateClaimAsync(partition, keys);
        return [.. keys.Select((key, i) => new Claim(
            new Ownership(key, JournalFormat.Epoch(claims[3 * i])),
            claims[(3 * i) + 1].IsNull ? null : JournalFormat.Decode(key, (byte[])claims[(3 * i) + 1]!))
        {
            FormerSilo = claims[(3 * i) + 2],
        })];
    }

    // Whoever goes on without the journal builds on what the database has, and what a silo journaled that was killed before it
    // flushed may be lost by that. So a Redis that has only just gone is waited for. A claim that was carried out and not
    // answered is made again: it fences nobody but itself.
    private async Task<RedisValue[]> EvaluateClaimAsync(JournalPartition partition, IReadOnlyList<string> keys)
    {
        RedisValue[] arguments = [_silo, .. keys.Select(key => (RedisValue)key)];
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return (RedisValue[])(await _redis.EvaluateAsync(
                    RedisRole.Journal, JournalScripts.Claim, [partition.Owners, partition.Rows, partition.Epoch], arguments, _patience))!;
            }
            catch (RedisUnavailableException) when (attempt < MaxClaims && !_redis.IsAway(RedisRole.Journal, _patience))
            {
                await Task.Delay(FirstPause * Math.Pow(2, attempt - 1) * (0.5 + Random.Shared.NextDouble()), _clock);
            }
        }
    }

    private async Task<IReadOnlyList<bool>> ReleaseAsync(JournalPartition partition, IReadOnlyList<(Ownership Owner, long Unflushed)> releases)
    {
        var released = (RedisResult[])(await _redis.EvaluateAsync(
            RedisRole.Journal,
            JournalScripts.Release,
            [partition.Owners, partition.Rows],
            [.. releases.SelectMany(each => new RedisValue[] { each.Owner.Key, $"{JournalFormat.Epoch(each.Owner.Epoch)}{JournalFormat.Version(each.Unflushed)}" })],
            patience: TimeSpan.Zero))!;
        return Array.ConvertAll(released, each => (bool)each);
    }

    private async Task<IEnumerable<Row>> AdoptAsync(RedisKey owners, RedisKey rows, List<RedisValue> left)
    {
        var adopted = (RedisResult[])(await _redis.EvaluateAsync(
            RedisRole.Journal, JournalScripts.Adopt, [owners, rows], [.. left]))!;
        return adopted.Chunk(2).Select(pair => JournalFormat.Decode((string)pair[0]!, (byte[])pair[1]!));
    }

    private Task TrimAsync(JournalPartition partition, FlushedRow[] flushed)
    {
        var arguments = new RedisValue[2 * flushed.Length];
        for (var i = 0; i < flushed.Length; i++)
        {
            arguments[2 * i] = flushed[i].Key;
            arguments[(2 * i) + 1] = $"{JournalFormat.Version(flushed[i].Version)}{JournalFormat.Epoch(flushed[i].Epoch)}";
        }

        return _redis.EvaluateAsync(RedisRole.Journal, JournalScripts.Trim, [partition.Owners, partition.Rows], arguments);
    }

    private JournalPartition PartitionOf(string key) => _partitions[Partition.Of(key)];
}
