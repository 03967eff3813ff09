using System.Globalization;
using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Actors.Core;

/// <summary>
/// Where a key lives in Redis. All keys of one partition share a hash tag, so that one script may touch them together,
/// on a single Redis as on a Redis Cluster.
/// </summary>
internal static class Partition
{
    /// <summary>
    /// How many there are. Every silo must agree on it, and what is journaled under one count is not found under
    /// another: it is a constant, not an option.
    /// </summary>
    public const int Count = 8;

    /// <summary>The partition of <paramref name="key"/>, 0 to <see cref="Count"/> - 1.</summary>
    public static int Of(string key) => (int)(Hash(key) % Count);

    /// <summary>A stable hash of <paramref name="key"/>.</summary>
    public static ulong Hash(string key) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(key.AsSpan()));

    /// <summary>The hash tag of a partition, e.g. "{3}".</summary>
    internal static string Tag(int partition) => "{" + partition.ToString(CultureInfo.InvariantCulture) + "}";
}
