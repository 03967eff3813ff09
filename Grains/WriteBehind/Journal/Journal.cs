using System.Runtime.CompilerServices;
using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>The result of claiming a key.</summary>
/// <param name="Owner">The ownership.</param>
/// <param name="Row">The journaled row of the key, if any.</param>
internal readonly record struct Claim(Ownership Owner, Row? Row)
{
    /// <summary>The silo of the former owner, if it had not released the key.</summary>
    public string? FormerSilo { get; init; }

    /// <summary>True if the former owner had not released the key.</summary>
    public bool WasOwned => FormerSilo is not null;
}

/// <summary>A row that is in the database.</summary>
internal readonly record struct FlushedRow(string Key, long Version, long Epoch);

/// <summary>
/// The log of acknowledged rows that are not yet in the database, kept in Redis, where it outlives this silo. It also decides
/// which activation may write a key. Layout and rules: <see cref="JournalScripts"/>.
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

    /// <param name="redis">The gateway to Redis.</param>
    /// <param name="silo">The name of this silo.</param>
    /// <param name="journaled">Receives each journaled row before its writers are resumed.</param>
    /// <param name="counters">Counts appends.</param>
    /// <param name="logger">Logs defects.</param>
    /// <param name="patience">See <see cref="WriteBehindOptions.JournalGracePeriod"/>.</param>
    /// <param name="clock">The clock for retry delays.</param>
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

    /// <summary>Changes with each new connection; its server may lack the last rows.</summary>
    public long Connection => _redis.Reconnects(RedisRole.Journal);

    /// <summary>Makes the caller the owner of <paramref name="key"/> and returns what is journaled for it, if anything.</summary>
    public Task<Claim> ClaimAsync(string key) => _claims[Partition.Of(key)].AskAsync(key);

    /// <summary>Journals a row together with the other rows this silo is appending.</summary>
    public void Append(PendingAppend append) => PartitionOf(append.Row.Key).Append(append);

    /// <summary>
    /// Gives up <paramref name="owner"/>, so that its entry is removed once its last row is flushed. False if the journal does not
    /// know the owner: another has claimed the key, or the journal lost its data. Also false, and not released, if the journal has
    /// lost <paramref name="unflushed"/>, the version that waits to be flushed (0: none).
    /// </summary>
    public Task<bool> ReleaseAsync(Ownership owner, long unflushed = 0) => _releases[Partition.Of(owner.Key)].AskAsync((owner, unflushed));

    /// <summary>Removes flushed rows: each of the rows given, and earlier versions of their keys.</summary>
    public Task TrimAsync(IEnumerable<FlushedRow> flushed)
    {
        var trims = flushed
            .GroupBy(entry => Partition.Of(entry.Key))
            .SelectMany(group => group.Chunk(JournalPartition.MaxBatchRows).Select(chunk => TrimAsync(_partitions[group.Key], chunk)));
        return Task.WhenAll(trims);
    }

    /// <summary>
    /// Adopts the unflushed rows of silos that left (<paramref name="isGone"/>) in <paramref name="partition"/>. This silo must flush
    /// each row once it is returned. Rows that this silo adopted before and that have no owner are returned again: the answer to
    /// that adoption may have been lost, and no other silo would flush them.
    /// </summary>
    /// <param name="partition">The partition.</param>
    /// <param name="isGone">Returns whether a silo has left.</param>
    /// <param name="adopting">Receives keys just before their ownership ends, including keys without a row.</param>
    /// <param name="cancellationToken">Stops the adoption between two pages.</param>
    public async IAsyncEnumerable<Row> AdoptAsync(
        int partition, Func<string, bool> isGone, Func<IReadOnlyList<string>, Task> adopting,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (owners, rows) = (_partitions[partition].Owners, _partitions[partition].Rows);
        var left = new List<RedisValue> { _silo };

        // Fail on a server that became a replica: adoption would miss rows it has not received.
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

    // Without the journal, an owner builds on the database, and rows that a killed silo had journaled but not flushed may be lost.
    // So retry while Redis has only just become unreachable. Repeating a claim whose answer was lost is safe: it fences only
    // itself.
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
