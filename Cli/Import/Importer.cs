using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Actors.Cli.Commands;
using Actors.Cli.Connection;

namespace Actors.Cli.Import;

/// <summary>
/// Writes the users of a file through their grains, many concurrently. Records of one user are written sequentially in file
/// order, so that the last one wins.
/// </summary>
/// <remarks>
/// A counter increment carries a request id made of the file's fingerprint and the line. A record repeated after a lost answer,
/// or after the import was killed and resumed, therefore counts once, as long as the grain remembers the id (<see
/// cref="UserLimits.RequestIdMemory"/>).
/// </remarks>
internal sealed class Importer(ICluster cluster, string fingerprint, Durability durability, int concurrency, TimeProvider time)
{
    private const int QueuedPerWorker = 4;

    /// <summary>How long calls in flight may take after the import was told to stop.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    /// <summary>How long a user is retried while the cluster is overloaded.</summary>
    private static readonly TimeSpan OverloadPatience = TimeSpan.FromMinutes(10);

    private readonly Retry _retry = new(time, overloadPatience: OverloadPatience);

    /// <summary>
    /// Imports all records after those already done. Throws the failure that stopped it; <paramref name="lines"/> is correct in
    /// any case.
    /// </summary>
    /// <param name="records">The records of the file.</param>
    /// <param name="lines">The line to resume after; tracks the finished lines.</param>
    /// <param name="report">Receives the line and the reason of each skipped record.</param>
    /// <param name="cancellationToken">Stops reading; calls in flight still end.</param>
    public async Task RunAsync(
        IAsyncEnumerable<ImportRecord> records, ContiguousLines lines, Action<long, string> report,
        CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var abort = new CancellationTokenSource();
        using var grace = stop.Token.Register(() => abort.CancelAfter(Grace));

        var queueing = new BoundedChannelOptions(QueuedPerWorker) { SingleReader = true, SingleWriter = true };
        var queues = Enumerable.Range(0, concurrency).Select(_ => Channel.CreateBounded<Work>(queueing)).ToArray();

        Task Worker(ChannelReader<Work> queue) => Task.Run(
            () => OrStop(() => WorkAsync(queue, lines, report, stop.Token, abort.Token), stop), CancellationToken.None);

        var workers = queues.Select(queue => Worker(queue.Reader)).ToArray();
        try
        {
            await OrStop(() => DealAsync(records, queues, lines, report, stop.Token), stop);
        }
        finally
        {
            foreach (var queue in queues)
                queue.Writer.Complete();
            // The first failure is rethrown below; failures caused by stopping do not count.
            await ((Task)Task.WhenAll(workers)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (workers.Select(w => w.Exception?.InnerException).FirstOrDefault(e => e is not null) is { } failure)
            ExceptionDispatchInfo.Throw(failure);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private static async Task DealAsync(
        IAsyncEnumerable<ImportRecord> records, Channel<Work>[] queues, ContiguousLines lines, Action<long, string> report,
        CancellationToken stop)
    {
        var doneBefore = lines.Done.Line;
        await foreach (var record in records.WithCancellation(stop))
        {
            if (stop.IsCancellationRequested)
                return;
            if (record.Line <= doneBefore)
                continue;
            var entry = lines.Begin(record.Line);
            if (!record.IsGood)
            {
                report(record.Line, record.Fault);
                lines.Skipped(entry);
                continue;
            }
            var queue = queues[(uint)record.Id.GetHashCode(StringComparison.Ordinal) % (uint)queues.Length];
            try
            {
                await queue.Writer.WriteAsync(new(entry, record.Id, record.Patch), stop);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task WorkAsync(
        ChannelReader<Work> queue, ContiguousLines lines, Action<long, string> report, CancellationToken stop,
        CancellationToken abort)
    {
        await foreach (var work in queue.ReadAllAsync(CancellationToken.None))
        {
            // Queued records that were not started stay undone; a resumed import reads them again.
            if (stop.IsCancellationRequested)
                return;
            try
            {
                var user = cluster.User(work.Id);
                var options = new WriteOptions
                {
                    Durability = durability,
                    RequestId = work.Patch.Increment is { Count: > 0 } ? $"import:{fingerprint}:{work.Entry.Line}" : null,
                };
                await _retry.RunAsync(() => user.UpdateAsync(work.Patch, options, abort), stop);
                lines.Imported(work.Entry);
            }
            catch (InvalidUserException e)
            {
                report(work.Entry.Line, e.Message);
                lines.Skipped(work.Entry);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>The first failure stops all workers.</summary>
    private static async Task OrStop(Func<Task> work, CancellationTokenSource stop)
    {
        try
        {
            await work();
        }
        catch
        {
            await stop.CancelAsync();
            throw;
        }
    }

    private sealed record Work(ContiguousLines.Entry Entry, string Id, UserPatch Patch);
}
