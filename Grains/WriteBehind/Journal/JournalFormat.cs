using System.Globalization;
using System.Text;
using Actors.Core;
using StackExchange.Redis;

namespace Actors.WriteBehind;

/// <summary>The encoding of rows and owners in the journal; <see cref="JournalScripts"/> relies on it.</summary>
internal static class JournalFormat
{
    private const int VersionLength = 16;
    private const int EpochLength = 16;
    private const int HeaderLength = VersionLength + EpochLength;

    /// <summary>The encoded length of <paramref name="row"/> in bytes.</summary>
    public static int LengthOf(Row row) => HeaderLength + row.State.Length;

    /// <summary>Encodes <paramref name="row"/> into <paramref name="bytes"/>, which must have the length of <see cref="LengthOf"/>.</summary>
    public static void Encode(Row row, Span<byte> bytes)
    {
        row.Version.TryFormat(bytes[..VersionLength], out _, "x16", CultureInfo.InvariantCulture);
        row.Epoch.TryFormat(bytes.Slice(VersionLength, EpochLength), out _, "D16", CultureInfo.InvariantCulture);
        row.State.Span.CopyTo(bytes[HeaderLength..]);
    }

    public static Row Decode(string key, ReadOnlyMemory<byte> bytes) => new(
        key,
        long.Parse(bytes.Span[..VersionLength], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
        long.Parse(bytes.Span.Slice(VersionLength, EpochLength), NumberStyles.None, CultureInfo.InvariantCulture),
        bytes[HeaderLength..]);

    public static RedisValue Version(long version) => version.ToString("x16", CultureInfo.InvariantCulture);

    public static long ParseVersion(RedisValue version) =>
        long.Parse((string)version!, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    /// <summary>The number of an append, encoded so that text comparison orders it.</summary>
    public static RedisValue Number(long number) => number.ToString("D16", CultureInfo.InvariantCulture);

    public static RedisValue Epoch(long epoch) => epoch.ToString("D16", CultureInfo.InvariantCulture);

    public static long Epoch(RedisValue epoch) => long.Parse((string)epoch!, CultureInfo.InvariantCulture);

    /// <summary>True if no activation may write the key: it was released or adopted.</summary>
    public static bool IsOwnerless(ReadOnlyMemory<byte> owner) => !owner.Span[..EpochLength].ContainsAnyExcept((byte)'0');

    /// <summary>The silo responsible for flushing the rows that an owner journaled.</summary>
    public static string Silo(ReadOnlyMemory<byte> owner) => Encoding.UTF8.GetString(owner.Span[EpochLength..]);
}
