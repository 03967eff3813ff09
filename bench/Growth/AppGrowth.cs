using Actors.Bench.App;

namespace Actors.Bench.Growth;

/// <summary>The memory of an app after calls to many different users or limiters.</summary>
/// <param name="Work">The calls, as named in <see cref="AppWorks"/>.</param>
/// <param name="Ids">The number of different ids that were called.</param>
/// <param name="Bytes">The bytes in use after a collection.</param>
internal sealed record AppGrowthStep(string Work, long Ids, long Bytes);

/// <summary>Measures that an app's memory does not grow with the ids it has called.</summary>
internal static class AppGrowth
{
    private const int CallersAtOnce = 256;

    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(5);
    private static readonly string[] Works = [AppWorks.NewUsers, AppWorks.NewClients];
    private static readonly long[] Steps = [10_000, 100_000, 1_000_000];

    public static async Task<IReadOnlyList<AppGrowthStep>> RunAsync(ProgressLine progress, CancellationToken cancellationToken)
    {
        var steps = new List<AppGrowthStep>();
        await using var servers = await BenchServers.StartAsync();
        var app = await (await servers.AppClusterAsync()).AppAsync();
        foreach (var work in Works)
        {
            await app.AskAsync(new(AppVerb.Prepare, work));
            var ids = 0L;
            foreach (var least in Steps)
            {
                while (ids < least)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    progress.Tell($"growth: an app that has called {ids:N0} of {least:N0} {work}");
                    var turn = (await app.AskAsync(new(AppVerb.Run, work, CallersAtOnce, ids == 0 ? Turn / 10 : Turn))).Turn!;
                    if (turn.Unexpected > 0) throw new InvalidOperationException($"{work}: {turn.Unexpected} answers were not the expected ones.");
                    ids += turn.Count;
                }

                steps.Add(new(work, ids, (await app.AskAsync(new(AppVerb.Heap))).Bytes));
            }
        }

        return steps;
    }
}
