using System.ComponentModel.DataAnnotations;

namespace Actors.WriteBehind;

/// <summary>How writes get from the journal to the database: section <c>Actors:WriteBehind</c>.</summary>
public sealed class WriteBehindOptions
{
    /// <summary>The configuration section of these options.</summary>
    public const string Section = "Actors:WriteBehind";

    /// <summary>How long a row may wait to be coalesced with later writes before it is flushed. Default: 1 s.</summary>
    /// <value>1 ms to 1 minute.</value>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:01:00")]
    public TimeSpan FlushInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The maximum number of rows in one batch. Default: 1000.</summary>
    /// <value>1 to 50,000.</value>
    [Range(1, 50_000)]
    public int BatchSize { get; set; } = 1000;

    /// <summary>How many batches may be in flight to the database at once; keys are divided among the lanes. Default: 2.</summary>
    /// <value>1 to 64.</value>
    [Range(1, 64)]
    public int Lanes { get; set; } = 2;

    /// <summary>
    /// The maximum bytes of unflushed rows this silo holds. Writes beyond it are refused with <see cref="OverloadedException"/>;
    /// from half of it on, writes are delayed. Default: a sixteenth of the memory this process may use, but at least 16 and at
    /// most 256 MiB. The actual memory used is about four times as much.
    /// </summary>
    /// <value>1 MiB to 1 TiB.</value>
    [Range(1L << 20, 1L << 40)]
    public long MaxUnflushedBytes { get; set; } = CeilingFor(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    /// <summary>
    /// How many replicas of the journal's Redis must hold a write before it counts as journaled (Redis' <c>WAIT</c>). A write
    /// that they do not confirm in time waits for its commit in the database instead, and its receipt says so. Default: 0, none.
    /// </summary>
    /// <value>0 to 10.</value>
    [Range(0, 10)]
    public int JournalReplicas { get; set; }

    /// <summary>
    /// How long a user that is not in memory waits for a journal that became unreachable, before it is read from the database
    /// alone. The database may lack writes that a killed silo had journaled. A slow Redis usually answers within this time.
    /// Once Redis has been unreachable for this long, reads no longer wait. Default: 5 s.
    /// </summary>
    /// <value>0 to 1 minute.</value>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    public TimeSpan JournalGracePeriod { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a write with <see cref="Durability.Database"/> or a flush waits for its commit. Default: 10 s.</summary>
    /// <value>100 ms to 5 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:05:00")]
    public TimeSpan CommitTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The maximum time a graceful stop spends flushing. Rows that remain stay in the journal; another silo or the next start
    /// flushes them. Default: 20 s.
    /// </summary>
    /// <value>0 to 10 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan DrainTimeout { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>The default ceiling for a process that may use <paramref name="memory"/> bytes; 0 if that is unknown.</summary>
    internal static long CeilingFor(long memory) => memory <= 0 ? 256L << 20 : Math.Clamp(memory / 16, 16L << 20, 256L << 20);
}
