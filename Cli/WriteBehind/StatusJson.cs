namespace Actors.Cli.WriteBehind;

/// <summary>Write-behind as JSON: unformatted values, times in seconds.</summary>
internal static class StatusJson
{
    public static object Of(ClusterStatus status) => new { Silos = status.Silos.Select(Of) };

    private static object Of(SiloReport silo) => new
    {
        silo.Silo,
        silo.IsResponding,
        WriteBehind = silo.IsResponding ? Of(silo.WriteBehind) : null,
    };

    private static object Of(WriteBehindStatus status) => new
    {
        status.State,
        status.UnflushedRows,
        status.UnflushedBytes,
        status.MaxUnflushedBytes,
        status.Fill,
        OldestUnflushedSeconds = status.OldestUnflushed.TotalSeconds,
        status.MemoryWrites,
        status.JournalWrites,
        status.DatabaseWrites,
        status.RefusedWrites,
        status.SlowedWrites,
        status.JournalCommits,
        status.JournaledRows,
        status.FlushedBatches,
        status.FlushedRows,
        status.CoalesceRatio,
        status.AverageBatch,
        FlushP50Seconds = status.FlushP50.TotalSeconds,
        FlushP99Seconds = status.FlushP99.TotalSeconds,
        status.FlushFailures,
        status.LastFlushError,
        status.LastFlushErrorAt,
        status.FenceHits,
        status.RecoveredRows,
        status.HeldRows,
    };
}
