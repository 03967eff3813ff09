using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using StackExchange.Redis;

namespace Actors.Membership;

/// <summary>The membership table at one version, row by row as Orleans wrote it.</summary>
/// <param name="Version">The version of the table.</param>
/// <param name="Rows">One row of JSON per silo.</param>
internal sealed record MembershipCopy(int Version, IReadOnlyList<HashEntry> Rows)
{
    /// <summary>
    /// How far the version of a restored table is ahead of the lost one. Silos do not all know the same last version. With a
    /// step of one, a silo with a later version could find that version in a different table. From a leap every silo sees that
    /// the table was lost, and adds its own knowledge.
    /// </summary>
    public const int Leap = 1_000;

    /// <summary>The field of the table with its version.</summary>
    public static readonly RedisValue VersionField = "Version";

    /// <summary>True if the table with this version was lost since this copy was made, whether restored by others or not.</summary>
    public bool IsLostIn(int? version) => version is not { } present || present < Version || present >= Version + (Leap / 2);

    /// <summary>
    /// The rows that <paramref name="table"/> lacks or has with an earlier status. A missing row of a dead silo is correct,
    /// because Orleans removes such rows after a while.
    /// </summary>
    public IReadOnlyList<HashEntry> LaterThan(MembershipCopy table)
    {
        var there = table.Rows.ToDictionary(row => row.Name, row => row.Value);
        return [.. Rows.Where(row => there.TryGetValue(row.Name, out var other)
            ? StatusOf(other) < StatusOf(row.Value)
            : StatusOf(row.Value) == SiloStatus.Active)];
    }

    /// <summary>A copy of the table; null if there is none.</summary>
    public static MembershipCopy? From(HashEntry[] table)
    {
        var version = VersionOf(table.FirstOrDefault(field => field.Name == VersionField).Value);
        return version is { } known ? new MembershipCopy(known, [.. table.Where(field => field.Name != VersionField)]) : null;
    }

    /// <summary>The number in the field <see cref="VersionField"/>; null if there is none.</summary>
    public static int? VersionOf(RedisValue field) =>
        int.TryParse((string?)field, NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : null;

    /// <summary>A row with another status.</summary>
    public static RedisValue WithStatus(RedisValue row, SiloStatus status)
    {
        var json = JsonNode.Parse((string)row!)!.AsObject();
        json[nameof(MembershipEntry.Status)] = (int)status;
        return json.ToJsonString();
    }

    /// <summary>The status in a row; <see cref="SiloStatus.None"/> if there is no row.</summary>
    public static SiloStatus StatusOf(RedisValue row)
    {
        if (row.IsNull) return SiloStatus.None;
        using var json = JsonDocument.Parse((ReadOnlyMemory<byte>)row);
        return (SiloStatus)json.RootElement.GetProperty(nameof(MembershipEntry.Status)).GetInt32();
    }
}
