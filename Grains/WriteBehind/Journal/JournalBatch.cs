using System.Buffers;
using System.Runtime.InteropServices;
using Actors.Core;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>
/// The rows of one script call and who waits for them. Filled under the partition's lock, then used by the one commit loop:
/// the one phase ends before the other begins.
/// </summary>
internal sealed class JournalBatch
{
    // Every row that was added, in that order, with its caller.
    private readonly List<(Row Row, TaskCompletionSource<AppendOutcome> Outcome)> _appends = [];

    // The rows that travel, and where the latest row of a key stands among them: several versions of one key go as the last.
    private readonly List<Row> _rows = [];
    private readonly Dictionary<string, int> _positions = [];
    private byte[] _encoded = [];

    // Of all rows that were added, those that a later one replaced included: an upper bound.
    private long _bytes;

    public int Count => _rows.Count;

    public bool IsFull => _rows.Count >= JournalPartition.MaxBatchRows || _bytes >= JournalPartition.MaxBatchBytes;

    public Task<AppendOutcome> Add(Row row)
    {
        // Whoever awaits it goes on where it was, a grain on its own scheduler: so nothing of it runs on the commit loop.
        var outcome = new TaskCompletionSource<AppendOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
        _appends.Add((row, outcome));
        _bytes += row.State.Length;
        ref var position = ref CollectionsMarshal.GetValueRefOrAddDefault(_positions, row.Key, out var exists);
        if (exists && _rows[position].Epoch == row.Epoch)
        {
            if (_rows[position].Version < row.Version) _rows[position] = row;
            return outcome.Task;
        }

        // A second owner's row of the same key goes along as well: the script knows which of the two is fenced.
        position = _rows.Count;
        _rows.Add(row);
        return outcome.Task;
    }

    public RedisValue[] ToArguments(long number)
    {
        _encoded = ArrayPool<byte>.Shared.Rent(_rows.Sum(JournalFormat.LengthOf));
        var free = _encoded.AsMemory();
        var arguments = new RedisValue[1 + (2 * _rows.Count)];
        arguments[0] = JournalFormat.Number(number);
        for (var i = 0; i < _rows.Count; i++)
        {
            var row = free[..JournalFormat.LengthOf(_rows[i])];
            free = free[row.Length..];
            JournalFormat.Encode(_rows[i], row.Span);
            arguments[(2 * i) + 1] = _rows[i].Key;
            arguments[(2 * i) + 2] = row;
        }

        return arguments;
    }

    /// <summary>Takes in what the script answered, the positions (from 1) of the rows it refused, and tells all who wait.</summary>
    /// <param name="fencedPositions">The positions.</param>
    /// <param name="journaled">Is given each row that was journaled, before anyone is told.</param>
    public void Complete(RedisValue[] fencedPositions, Action<Row> journaled)
    {
        ArrayPool<byte>.Shared.Return(_encoded);
        _encoded = [];
        var fenced = fencedPositions.Select(position => _rows[(int)position - 1]).Select(row => (row.Key, row.Epoch)).ToHashSet();
        foreach (var row in _rows)
            if (!IsFenced(row)) journaled(row);
        foreach (var (row, outcome) in _appends)
            outcome.SetResult(IsFenced(row) ? AppendOutcome.Fenced : AppendOutcome.Journaled);

        bool IsFenced(Row row) => fenced.Count > 0 && fenced.Contains((row.Key, row.Epoch));
    }

    public void Fail(AppendOutcome failure)
    {
        // The encoded rows are not given back: a call that was given up on may still be sending them.
        foreach (var (_, outcome) in _appends) outcome.TrySetResult(failure);
    }
}
