using Actors.Cli.Commands;
using Actors.Cli.Connection;
using Actors.Cli.Output;

namespace Actors.Cli.Export;

/// <summary>Waits until all writes acknowledged before the wait began are in the database.</summary>
internal sealed class FlushWait(ICluster cluster, TimeProvider time)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private long _rows;

    /// <summary>The remaining rows, on one line.</summary>
    public string Describe() => $"waiting for {Text.Count(Interlocked.Read(ref _rows), "row")} to reach the database";

    /// <exception cref="CommandFailedException">The writes were not flushed in time, or a silo did not report.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            var elapsed = time.GetElapsedTime(began);
            var status = await cluster.Status.GetStatusAsync(cancellationToken);
            var late = status.Silos.Where(silo => !IsPast(silo, elapsed)).ToList();
            var recovering = status.Silos
                .Where(silo => silo.WriteBehind.RecoveredVersion is { } version && version < status.MembershipVersion)
                .ToList();
            if (late.Count == 0 && status.StoppingSilos.Length == 0 && recovering.Count == 0)
                return;
            Interlocked.Exchange(ref _rows, late.Sum(silo => silo.WriteBehind.UnflushedRows));
            if (elapsed > Limit)
                throw new CommandFailedException(ExitCode.Unavailable, Explain(late, status.StoppingSilos, recovering));
            await Task.Delay(Pause, time, cancellationToken);
        }
    }

    /// <summary>True if all unflushed rows of a silo were written after the wait began.</summary>
    private static bool IsPast(SiloReport silo, TimeSpan elapsed) =>
        silo.IsResponding && (silo.WriteBehind.UnflushedRows == 0 || silo.WriteBehind.OldestUnflushed < elapsed);

    private static string Explain(List<SiloReport> late, string[] stopping, List<SiloReport> recovering)
    {
        var reasons = new List<string>();
        if (late.Count > 0) reasons.Add($"silo {Names(late)} has rows to write");
        if (stopping.Length > 0) reasons.Add($"silo {string.Join(", ", stopping)} is stopping");
        if (recovering.Count > 0) reasons.Add($"silo {Names(recovering)} is taking over rows of silos that left");
        var error = late.Select(silo => silo.WriteBehind.LastFlushError).FirstOrDefault(error => error is not null);
        return $"after {Text.Of(Limit)} some writes acknowledged before the export are not in the database ({string.Join("; ", reasons)})" +
            $"{(error is null ? "" : $": {error}")}; use --as-is to export the current rows";
    }

    private static string Names(List<SiloReport> silos) => string.Join(", ", silos.Select(silo => silo.Silo));
}
