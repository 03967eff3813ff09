using System.ComponentModel.DataAnnotations;

namespace Actors.RateLimiting;

/// <summary>The policies that clients are limited by, and what limiting may take: section <c>Actors:RateLimits</c>.</summary>
public sealed class RateLimitOptions
{
    /// <summary>The configuration section of these options.</summary>
    public const string Section = "Actors:RateLimits";

    /// <summary>
    /// The policies by name; a change of the configuration counts at once, and usage so far is kept. Where none is called
    /// "default", that one is 100 permits per second.
    /// </summary>
    public Dictionary<string, PolicyOptions> Policies { get; } = [];

    /// <summary>
    /// The most bytes that limited clients take in this silo's memory, all of what they make it hold counted. At that, a client
    /// that comes to the silo displaces the idlest one, which loses nothing by it; where none can leave it is refused with
    /// <see cref="OverloadedException"/>. A client takes about 7 KB, 16 bytes for each call to Redis that granted it something
    /// within its longest window, and some 200 bytes for each request id that is remembered. Default: an eighth of the memory
    /// this process may use, but at least 16 MiB and at most 2 GiB.
    /// </summary>
    /// <value>1 MiB to 1 TiB.</value>
    [Range(1L << 20, 1L << 40)]
    public long MaxMemory { get; set; } = CeilingFor(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    /// <summary>
    /// The most calls of one client under one policy that wait for their turn, and of a client with another of the same request id;
    /// further ones are refused at once. While the silo's memory is full, ten. Default: 1000.
    /// </summary>
    /// <value>0 to 100,000.</value>
    [Range(0, 100_000)]
    public int MaxWaiting { get; set; } = 1000;

    /// <summary>
    /// The largest part of a limit that Redis counts as granted before it is asked for, so that a client that calls often takes
    /// one call to Redis for several grants. No limit is ever exceeded by that. After a silo was killed, as much may be missing of
    /// a client's limit for the length of a window. 0 has each grant ask Redis. Default: 0.01.
    /// </summary>
    /// <value>0 to 0.1.</value>
    [Range(0, 0.1)]
    public double ReservedShare { get; set; } = 0.01;

    /// <summary>The default ceiling for a process that may use <paramref name="memory"/> bytes, 0 where that is not known.</summary>
    internal static long CeilingFor(long memory) => memory <= 0 ? 256L << 20 : Math.Clamp(memory / 8, 16L << 20, 2L << 30);

    /// <summary>A policy, as <see cref="RateLimitPolicy"/> says; its name is the key.</summary>
    public sealed class PolicyOptions
    {
        /// <inheritdoc cref="RateLimitPolicy.Windows"/>
        public List<WindowOptions> Windows { get; } = [];

        /// <inheritdoc cref="RateLimitPolicy.OnRedisDown"/>
        public RedisDownBehavior OnRedisDown { get; set; }

        /// <inheritdoc cref="RateLimitPolicy.IsShadow"/>
        public bool IsShadow { get; set; }
    }

    /// <summary>A window, as <see cref="RateLimitWindow"/> says.</summary>
    public sealed class WindowOptions
    {
        /// <inheritdoc cref="RateLimitWindow.Limit"/>
        public int Limit { get; set; }

        /// <inheritdoc cref="RateLimitWindow.Duration"/>
        public TimeSpan Duration { get; set; }
    }
}
