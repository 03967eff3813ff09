using System.Buffers;
using System.Runtime.InteropServices;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>
/// The rows of one script call and what became of them. Filled under the partition's lock, then read by the one commit
/// loop, then read by all who wait for it: each phase ends before the next begins.
/// </summary>
internal sealed class JournalBatch
{
    private readonly List<Row> _rows = [];

    // Where the latest row of a key stands, so that several versions of one key travel as the last one.
    private readonly Dictionary<string, int> _positions = [];
    private readonly TaskCompletionSource<JournalBatch> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] _encoded = [];

    // Of all rows that were added, those that a later one replaced included: an upper bound.
    private long _bytes;
    private HashSet<(string, long)>? _fenced;
    private AppendOutcome? _failure;

    public int Count => _rows.Count;

    public bool IsFull => _rows.Count >= JournalPartition.MaxBatchRows || _bytes >= JournalPartition.MaxBatchBytes;

    public Task<JournalBatch> Completion => _completion.Task;

    public void Add(Row row)
    {
        _bytes += row.State.Length;
        ref var position = ref CollectionsMarshal.GetValueRefOrAddDefault(_positions, row.Key, out var exists);
        if (exists && _rows[position].Epoch == row.Epoch)
        {
            if (_rows[position].Version < row.Version) _rows[position] = row;
            return;
        }

        // A second owner's row of the same key goes along as well: the script knows which of the two is fenced.
        position = _rows.Count;
        _rows.Add(row);
    }

    public RedisValue[] ToArguments()
    {
        _encoded = ArrayPool<byte>.Shared.Rent(_rows.Sum(JournalFormat.LengthOf));
        var free = _encoded.AsMemory();
        var arguments = new RedisValue[2 * _rows.Count];
        for (var i = 0; i < _rows.Count; i++)
        {
            var row = free[..JournalFormat.LengthOf(_rows[i])];
            free = free[row.Length..];
            JournalFormat.Encode(_rows[i], row.Span);
            arguments[2 * i] = _rows[i].Key;
            arguments[(2 * i) + 1] = row;
        }

        return arguments;
    }

    /// <summary>Takes in what the script answered: the positions (from 1) of the rows it refused. Returns the others.</summary>
    public IEnumerable<Row> Journaled(RedisValue[] fencedPositions)
    {
        ArrayPool<byte>.Shared.Return(_encoded);
        _encoded = [];
        if (fencedPositions.Length == 0) return _rows;
        _fenced = [.. fencedPositions.Select(position => _rows[(int)position - 1]).Select(row => (row.Key, row.Epoch))];
        return _rows.Where(row => !_fenced.Contains((row.Key, row.Epoch)));
    }

    public void Complete() => _completion.SetResult(this);

    public void Fail(AppendOutcome failure)
    {
        // The encoded rows are not given back: a call that was given up on may still be sending them.
        _failure = failure;
        _completion.SetResult(this);
    }

    public AppendOutcome Of(Row row) =>
        _failure is { } failure ? failure
        : _fenced is not null && _fenced.Contains((row.Key, row.Epoch)) ? AppendOutcome.Fenced
        : AppendOutcome.Journaled;
}
