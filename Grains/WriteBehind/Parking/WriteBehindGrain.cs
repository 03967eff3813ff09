using System.Data.Common;
using Orleans.Concurrency;

namespace Actors.WriteBehind;

/// <summary>Hands on to the parked rows in the database, where any silo can reach them; holds no state of its own.</summary>
[StatelessWorker]
[GrainType("write-behind")]
internal sealed class WriteBehindGrain(IRowStore store, ParkedReplay replay) : Grain, IWriteBehindGrain
{
    // Of the largest users there are, about 13 MB: what a message may well carry.
    private const int MaxPage = 200;

    public Task<ParkedPage> GetParkedAsync(int max, string? after, CancellationToken cancellationToken) => GuardAsync(async () =>
    {
        max = Math.Clamp(max, 1, MaxPage);
        var total = await store.Parked.CountAsync(cancellationToken);
        var rows = await store.Parked.ListAsync(after, max, cancellationToken);
        return new ParkedPage { Rows = [.. rows], Total = total, Next = rows.Count == max ? rows[^1].Key : null };
    });

    public Task<ReplayResult> ReplayAsync(string[]? keys, CancellationToken cancellationToken) =>
        GuardAsync(() => replay.RunAsync(keys, cancellationToken));

    // A table that is missing, for instance: a client has no use for the driver's types.
    private async Task<T> GuardAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return await call();
        }
        catch (DbException error)
        {
            throw new StorageUnavailableException("the database", $"{store.Description} cannot be used: {error.Message}");
        }
    }
}
