using Actors.WriteBehind;

namespace Actors.Hosting;

/// <summary>The write-behind figures of this silo, for monitoring. Reads counters that any thread may read.</summary>
public sealed class WriteBehindView
{
    private static readonly TimeSpan LeastAlarming = TimeSpan.FromSeconds(10);

    private readonly WriteBehindTable _table;
    private readonly WriteBehindOptions _options;

    internal WriteBehindView(WriteBehindTable table, WriteBehindOptions options) => (_table, _options) = (table, options);

    /// <summary>The current figures.</summary>
    public WriteBehindStatus Status
    {
        get
        {
            var counters = _table.Counters;
            var (rows, bytes, oldest) = _table.Backlog;
            var latency = counters.FlushLatency;
            return new()
            {
                MemoryWrites = counters.Writes(Durability.Memory),
                JournalWrites = counters.Writes(Durability.Journal),
                DatabaseWrites = counters.Writes(Durability.Database),
                FlushedBatches = counters.FlushedBatches,
                FlushedRows = counters.FlushedRows,
                UnflushedRows = rows,
                UnflushedBytes = bytes,
                OldestUnflushed = oldest,
                FenceHits = counters.FenceHits,
                JournalCommits = counters.JournalCommits,
                State = _table.State,
                MaxUnflushedBytes = _options.MaxUnflushedBytes,
                JournaledRows = counters.JournaledRows,
                RecoveredRows = counters.RecoveredRows,
                RecoveredVersion = counters.RecoveredVersion,
                FlushFailures = counters.FlushFailures,
                LastFlushError = counters.LastFlushError,
                LastFlushErrorAt = counters.LastFlushErrorAt,
                FlushP50 = latency.P50,
                FlushP99 = latency.P99,
                RefusedWrites = counters.RefusedWrites,
                SlowedWrites = counters.SlowedWrites,
                ParkedRows = counters.ParkedRows,
                HeldRows = _table.Held.Rows,
            };
        }
    }

    /// <summary>
    /// True if an operator should look: writers are slowed down, or a row can be neither committed nor parked, or the oldest
    /// unflushed row is older than 10 s and 10 flush intervals. This happens long before anything is refused.
    /// </summary>
    public bool IsAlarming(WriteBehindStatus status)
    {
        var limit = 10 * _options.FlushInterval;
        return status.State >= WriteBehindState.Slowing || status.HeldRows > 0
            || status.OldestUnflushed > (limit > LeastAlarming ? limit : LeastAlarming);
    }
}
