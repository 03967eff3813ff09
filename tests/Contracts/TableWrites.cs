using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Contracts;

/// <summary>Complete writes and appends, as the user grain and write-behind make them.</summary>
internal static class TableWrites
{
    /// <summary>A write that reaches its durability.</summary>
    public static Task<WriteResult> WriteAsync(this WriteBehindTable table, Row row, Durability durability)
    {
        // A write beyond the ceiling throws here and not in the task.
        var write = table.Begin(row, durability);
        return ReachAsync();

        async Task<WriteResult> ReachAsync()
        {
            var result = await write.ReachAsync();
            Assert.Equal(WriteOutcome.Reached, result.Outcome);
            return result;
        }
    }

    /// <summary>Begins a write of the owner that made the row.</summary>
    public static PendingWrite Begin(this WriteBehindTable table, Row row, Durability durability) =>
        table.Begin(new Ownership(row.Key, row.Epoch), row, durability);

    /// <summary>The journal's answer to one row.</summary>
    public static Task<AppendOutcome> AppendAsync(this Journal journal, Row row)
    {
        var append = new PendingAppend(row);
        journal.Append(append);
        return append.Answered;
    }

    /// <summary>Returns once <paramref name="version"/> is in the table.</summary>
    public static async Task EnsureCommittedAsync(this FlushQueue queue, string key, long version) =>
        Assert.Equal(new CommitResult(CommitOutcome.Committed), await queue.CommittedAsync(key, version));

    /// <inheritdoc cref="EnsureCommittedAsync(FlushQueue, string, long)"/>
    public static async Task EnsureCommittedAsync(this WriteBehindTable table, string key, long version, CancellationToken cancellationToken) =>
        Assert.Equal(WriteOutcome.Reached, (await table.CommittedAsync(key, version, cancellationToken)).Outcome);
}
