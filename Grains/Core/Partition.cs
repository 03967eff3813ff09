using System.Globalization;
using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Actors.Core;

/// <summary>
/// Maps a key to its partition in Redis. All keys of a partition share a hash tag, so one script can use them together, also on
/// a Redis Cluster.
/// </summary>
internal static class Partition
{
    /// <summary>
    /// The number of partitions. It is a constant because all silos must agree, and rows journaled under one count are not
    /// found under another.
    /// </summary>
    public const int Count = 8;

    /// <summary>The partition of <paramref name="key"/>, 0 to <see cref="Count"/> - 1.</summary>
    public static int Of(string key) => (int)(Hash(key) % Count);

    /// <summary>A stable hash of <paramref name="key"/>.</summary>
    public static ulong Hash(string key) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(key.AsSpan()));

    /// <summary>The hash tag of a partition, e.g. "{3}".</summary>
    internal static string Tag(int partition) => "{" + partition.ToString(CultureInfo.InvariantCulture) + "}";
}
