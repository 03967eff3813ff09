namespace Actors;

/// <summary>Makes many calls, a bounded number of them at a time.</summary>
internal static class BulkCalls
{
    /// <summary>Enough to fill the messages to the silos; more would only wait in queues.</summary>
    private const int AtATime = 1_024;

    /// <summary>Makes one call for each item. The results are in the order of the items.</summary>
    public static async Task<IReadOnlyList<CallResult<TResult>>> MakeAsync<TItem, TResult>(
        IReadOnlyList<TItem> items, Func<TItem, string> idOf, Func<TItem, Task<TResult>> call, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var results = new CallResult<TResult>[items.Count];

        // Interlocked: the index of the item that was begun last.
        var last = -1;
        await Task.WhenAll(Enumerable.Range(0, Math.Min(AtATime, items.Count)).Select(_ => MakeNextAsync())).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return results;

        async Task MakeNextAsync()
        {
            while (Interlocked.Increment(ref last) is var i && i < items.Count && !cancellationToken.IsCancellationRequested)
            {
                try
                {
                    results[i] = new(idOf(items[i]), await call(items[i]).ConfigureAwait(false));
                }
                catch (Exception error)
                {
                    // Not swallowed: the caller finds it in the result of its item.
                    results[i] = new(idOf(items[i]), error);
                }
            }
        }
    }
}
