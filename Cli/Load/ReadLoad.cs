using System.Globalization;
using Actors.Cli.Connection;

namespace Actors.Cli.Load;

/// <summary>Reads users at random, at a rate or as fast as the cluster answers.</summary>
internal sealed class ReadLoad(ICluster cluster, int users, int concurrency, string prefix, int? rate, LoadMeter meter, TimeProvider time)
{
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(50);

    private readonly Pace _pace = new(rate, time);
    private long _found;

    /// <summary>The number of reads that found a user.</summary>
    public long Found => Interlocked.Read(ref _found);

    public Task RunAsync(CancellationToken stop) =>
        Task.WhenAll(Enumerable.Range(0, concurrency).Select(_ => Task.Run(() => WorkAsync(stop), CancellationToken.None)));

    private async Task WorkAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var id = prefix + Random.Shared.Next(users).ToString(CultureInfo.InvariantCulture);
            var started = await _pace.NextAsync(stop);
            if (stop.IsCancellationRequested)
                return;
            try
            {
                var user = await cluster.User(id).GetAsync(stop);
                meter.Success(started);
                if (user is not null)
                    Interlocked.Increment(ref _found);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                meter.Failure(started, e);
                await Task.Delay(PauseAfterFailure, time, CancellationToken.None);
            }
        }
    }
}
