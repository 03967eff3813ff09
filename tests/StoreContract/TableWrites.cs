using Actors.WriteBehind;

namespace Actors.StoreContract;

/// <summary>A write as the user grain makes it, in one go.</summary>
internal static class TableWrites
{
    public static async Task<WrittenRow> WriteAsync(this WriteBehindTable table, Row row, Durability durability) =>
        await table.WrittenAsync(row, await table.AppendAsync(row, durability), durability);
}
