using System.Buffers;
using System.Runtime.InteropServices;
using Actors.Core;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>
/// The rows of one script call and the callers that wait for them. Filled under the partition's lock, then used by the one append
/// loop; the two phases do not overlap.
/// </summary>
internal sealed class JournalBatch
{
    // Every added row with its caller, in order.
    private readonly List<PendingAppend> _appends = [];

    // The rows to send, and the index of each key's latest row: several versions of one key are sent as the last one.
    private readonly List<Row> _rows = [];
    private readonly Dictionary<string, int> _positions = [];
    private byte[] _encoded = [];

    // The bytes of all added rows, including superseded ones: an upper bound.
    private long _bytes;

    public int Count => _rows.Count;

    public bool IsFull => _rows.Count >= JournalPartition.MaxBatchRows || _bytes >= JournalPartition.MaxBatchBytes;

    public void Add(PendingAppend append)
    {
        var row = append.Row;
        _appends.Add(append);
        _bytes += row.State.Length;
        ref var position = ref CollectionsMarshal.GetValueRefOrAddDefault(_positions, row.Key, out var exists);
        if (exists && _rows[position].Epoch == row.Epoch)
        {
            if (_rows[position].Version < row.Version) _rows[position] = row;
            return;
        }

        // A second owner's row of the same key is sent as well: the script knows which of the two is fenced.
        position = _rows.Count;
        _rows.Add(row);
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

    /// <summary>Applies the script's answer, the positions (from 1) of the fenced rows, and answers all callers.</summary>
    /// <param name="fencedPositions">The positions of the fenced rows.</param>
    /// <param name="journaled">Receives each journaled row before any caller is resumed.</param>
    public void Complete(RedisValue[] fencedPositions, Action<Row> journaled)
    {
        ArrayPool<byte>.Shared.Return(_encoded);
        _encoded = [];
        var fenced = fencedPositions.Select(position => _rows[(int)position - 1]).Select(row => (row.Key, row.Epoch)).ToHashSet();
        foreach (var row in _rows)
            if (!IsFenced(row)) journaled(row);
        foreach (var append in _appends)
            append.Answer(IsFenced(append.Row) ? AppendOutcome.Fenced : AppendOutcome.Journaled);

        bool IsFenced(Row row) => fenced.Count > 0 && fenced.Contains((row.Key, row.Epoch));
    }

    public void Fail(AppendOutcome failure)
    {
        // Do not return the buffer to the pool: an abandoned call may still be sending it.
        foreach (var append in _appends) append.Answer(failure);
    }
}
