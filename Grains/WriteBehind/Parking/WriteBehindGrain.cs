using System.Data.Common;
using Orleans.Concurrency;

namespace Actors.WriteBehind;

/// <summary>Forwards to the parked rows in the database, which any silo can reach; has no state of its own.</summary>
[StatelessWorker]
[GrainType("write-behind")]
internal sealed class WriteBehindGrain(IRowStore store, ParkedReplay replay) : Grain, IWriteBehindGrain
{
    // About 13 MB for the largest possible users, which a message can carry.
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

    // Translates driver errors, such as a missing table: a client does not know the driver's types.
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
