using Actors.Core;
using Npgsql;
using NpgsqlTypes;

namespace Actors.WriteBehind;

/// <summary>A batch as columns: one list per column, reused from batch to batch.</summary>
internal sealed class RowColumns
{
    // Larger lists are left to the garbage collector.
    private const int Kept = 16_384;

    private readonly List<string> _ids = [];
    private readonly List<long> _versions = [];
    private readonly List<long> _epochs = [];
    private readonly List<ReadOnlyMemory<byte>> _states = [];

    public void Fill(IReadOnlyList<Row> rows)
    {
        // An earlier batch may have failed while it was being filled.
        Clear();
        for (var i = 0; i < rows.Count; i++)
        {
            var row = rows[i];
            _ids.Add(row.Key);
            _versions.Add(row.Version);
            _epochs.Add(row.Epoch);
            _states.Add(row.State);
        }
    }

    /// <param name="parameters">The command's parameters, to which the columns are added.</param>
    /// <param name="state">The type of the states, which are UTF-8 JSON and sent as they are.</param>
    public void AddTo(NpgsqlParameterCollection parameters, NpgsqlDbType state = NpgsqlDbType.Jsonb)
    {
        Add(_ids, NpgsqlDbType.Text);
        Add(_versions, NpgsqlDbType.Bigint);
        Add(_epochs, NpgsqlDbType.Bigint);
        Add(_states, state);

        void Add<T>(List<T> values, NpgsqlDbType type) =>
            parameters.Add(new NpgsqlParameter<List<T>> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | type });
    }

    public void Clear()
    {
        _ids.Clear();
        _versions.Clear();
        _epochs.Clear();
        _states.Clear();
        if (_ids.Capacity <= Kept)
            return;
        _ids.Capacity = _versions.Capacity = _epochs.Capacity = _states.Capacity = 0;
    }
}
