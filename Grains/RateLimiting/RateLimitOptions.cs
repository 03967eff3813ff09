using System.ComponentModel.DataAnnotations;

namespace Actors.RateLimiting;

/// <summary>The rate limit policies and the resources of the limiters: section <c>Actors:RateLimits</c>.</summary>
public sealed class RateLimitOptions
{
    /// <summary>The configuration section of these options.</summary>
    public const string Section = "Actors:RateLimits";

    /// <summary>
    /// The policies by name. A change of the configuration applies at once and keeps the usage so far. If no policy is called
    /// "default", it is 100 permits per second.
    /// </summary>
    public Dictionary<string, PolicyOptions> Policies { get; } = [];

    /// <summary>
    /// The maximum memory of the limited clients on this silo, in bytes. A new client then displaces the idlest one, which
    /// loses nothing. If none can leave, the new client is refused with <see cref="OverloadedException"/>. A client takes about
    /// 7 KB, plus 16 bytes per Redis call that granted permits within its longest window, plus about 200 bytes per remembered
    /// request id. Default: an eighth of the memory this process may use, at least 16 MiB and at most 2 GiB.
    /// </summary>
    /// <value>1 MiB to 1 TiB.</value>
    [Range(1L << 20, 1L << 40)]
    public long MaxMemory { get; set; } = CeilingFor(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    /// <summary>
    /// The maximum number of waiting calls per client and policy, and of calls per client that wait for another call with the
    /// same request id. Further ones are refused at once. The limit is ten while the silo's memory is full. Default: 1000.
    /// </summary>
    /// <value>0 to 100,000.</value>
    [Range(0, 100_000)]
    public int MaxWaiting { get; set; } = 1000;

    /// <summary>
    /// The largest share of a limit that Redis counts as granted in advance, so that frequent clients need one Redis call for
    /// several grants. Limits are never exceeded. After a silo was killed, up to this share of a client's limit may be missing
    /// for the length of a window. 0 makes each grant call Redis. Default: 0.01.
    /// </summary>
    /// <value>0 to 0.1.</value>
    [Range(0, 0.1)]
    public double ReservedShare { get; set; } = 0.01;

    /// <summary>The default ceiling for a process that may use <paramref name="memory"/> bytes; 0 means unknown.</summary>
    internal static long CeilingFor(long memory) => memory <= 0 ? 256L << 20 : Math.Clamp(memory / 8, 16L << 20, 2L << 30);

    /// <summary>A policy, see <see cref="RateLimitPolicy"/>. Its name is the key.</summary>
    public sealed class PolicyOptions
    {
        /// <inheritdoc cref="RateLimitPolicy.Windows"/>
        public List<WindowOptions> Windows { get; } = [];

        /// <inheritdoc cref="RateLimitPolicy.OnRedisDown"/>
        public RedisDownBehavior OnRedisDown { get; set; }

        /// <inheritdoc cref="RateLimitPolicy.IsShadow"/>
        public bool IsShadow { get; set; }
    }

    /// <summary>A window, see <see cref="RateLimitWindow"/>.</summary>
    public sealed class WindowOptions
    {
        /// <inheritdoc cref="RateLimitWindow.Limit"/>
        public int Limit { get; set; }

        /// <inheritdoc cref="RateLimitWindow.Duration"/>
        public TimeSpan Duration { get; set; }
    }
}
