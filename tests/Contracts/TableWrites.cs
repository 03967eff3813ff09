using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Contracts;

/// <summary>A complete write as the user grain makes it.</summary>
internal static class TableWrites
{
    public static Task<WrittenRow> WriteAsync(this WriteBehindTable table, Row row, Durability durability)
    {
        // A write beyond the ceiling throws here and not in the task.
        var appending = table.AppendAsync(row);
        return WrittenAsync();

        async Task<WrittenRow> WrittenAsync() => await table.WrittenAsync(row, await appending, durability);
    }
}
