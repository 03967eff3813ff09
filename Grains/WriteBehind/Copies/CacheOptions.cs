using System.ComponentModel.DataAnnotations;

namespace Actors.WriteBehind;

/// <summary>The copies of users kept in Redis: section <c>Actors:Cache</c>.</summary>
public sealed class CacheOptions
{
    /// <summary>The configuration section of these options.</summary>
    public const string Section = "Actors:Cache";

    /// <summary>How long a copy is kept. Default: 1 hour.</summary>
    /// <value>1 second to 30 days.</value>
    [Range(typeof(TimeSpan), "00:00:01", "30.00:00:00")]
    public TimeSpan TimeToLive { get; set; } = TimeSpan.FromHours(1);

    /// <summary>The fraction by which the time to live varies either way, so that copies do not expire together. Default: 0.1.</summary>
    /// <value>0 to 0.5.</value>
    [Range(0.0, 0.5)]
    public double Jitter { get; set; } = 0.1;
}
