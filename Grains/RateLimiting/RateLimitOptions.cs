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
    /// The most bytes of logs of grants this silo holds; at that, clients that are not on it yet are refused with
    /// <see cref="OverloadedException"/>. A client takes about 1 KB, and 16 bytes for each call to Redis that granted it
    /// something within its longest window. Default: a sixteenth of the memory this process may use, but at least 16 and at
    /// most 256 MiB.
    /// </summary>
    /// <value>1 MiB to 1 TiB.</value>
    [Range(1L << 20, 1L << 40)]
    public long MaxMemory { get; set; } = WriteBehind.WriteBehindOptions.CeilingFor(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    /// <summary>The most calls of one client under one policy that wait for their turn; further ones are denied at once. Default: 1000.</summary>
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
