using System.ComponentModel.DataAnnotations;

namespace Actors.Users;

/// <summary>Memory for active users: section <c>Actors:Users</c>.</summary>
public sealed class UserOptions
{
    /// <summary>The configuration section of these options.</summary>
    public const string Section = "Actors:Users";

    private const long LeastDefault = 16L << 20;
    private const long DefaultIfUnknown = 1L << 30;

    /// <summary>
    /// The maximum memory for active users, in bytes. From 13/16 of it on, idle users are evicted. A call for a user that still does
    /// not fit is refused with <see cref="OverloadedException"/>. A small user takes about 5 KB. Default: a quarter of the memory
    /// this process may use, but at least 16 MiB.
    /// </summary>
    /// <value>8 MiB to 16 TiB.</value>
    [Range(8L << 20, 1L << 44)]
    public long MaxMemory { get; set; } = DefaultFor(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    /// <summary>The default for a process that may use <paramref name="memory"/> bytes; 0 if that is unknown.</summary>
    internal static long DefaultFor(long memory) => memory <= 0 ? DefaultIfUnknown : Math.Max(memory / 4, LeastDefault);
}
