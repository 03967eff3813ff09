using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Contracts;

/// <summary>A write as the user grain makes it, in one go.</summary>
internal static class TableWrites
{
    public static Task<WrittenRow> WriteAsync(this WriteBehindTable table, Row row, Durability durability)
    {
        // What does not fit is refused here, and not by the task.
        var appending = table.AppendAsync(row);
        return WrittenAsync();

        async Task<WrittenRow> WrittenAsync() => await table.WrittenAsync(row, await appending, durability);
    }
}
