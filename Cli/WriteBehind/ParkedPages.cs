using System.Runtime.CompilerServices;

namespace Actors.Cli.WriteBehind;

/// <summary>The parked rows of a cluster, page by page.</summary>
internal static class ParkedPages
{
    private const int PageSize = 100;

    public static async IAsyncEnumerable<ParkedPage> AllAsync(
        IWriteBehindGrain writeBehind, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? after = null;
        do
        {
            var page = await writeBehind.GetParkedAsync(PageSize, after, cancellationToken);
            yield return page;
            after = page.Next;
        }
        while (after is not null);
    }
}
