using System.ComponentModel.DataAnnotations;

namespace Actors.Silo.Configuration;

/// <summary>Where the silo stands and which cluster it belongs to: section <c>Actors</c>.</summary>
public sealed class SiloSettings
{
    /// <summary>The configuration section of these options.</summary>
    public const string Section = "Actors";

    /// <summary>The port other silos reach this one at. Default: 11111, or the next free one.</summary>
    /// <value>1 to 65535. One that is asked for and taken is an error.</value>
    [Range(1, 65_535)]
    public int? SiloPort { get; set; }

    /// <summary>The port clients reach this silo at. Default: 30000, or the next free one.</summary>
    /// <value>1 to 65535. One that is asked for and taken is an error.</value>
    [Range(1, 65_535)]
    public int? GatewayPort { get; set; }

    /// <summary>
    /// The address at which other silos and clients reach this one: an IP address, or "auto" for this host's own. Default:
    /// 127.0.0.1, which only they reach who run on the same host.
    /// </summary>
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>Silos and clients with the same cluster id form one cluster. Default: "actors".</summary>
    /// <value>1 to 128 characters.</value>
    [StringLength(128, MinimumLength = 1)]
    public string ClusterId { get; set; } = "actors";

    /// <summary>
    /// Names what the cluster keeps in Redis and stays the same over the clusters that follow one another. Letters,
    /// digits, dots and dashes. Default: "actors".
    /// </summary>
    [RegularExpression("^[A-Za-z0-9.-]{1,64}$")]
    public string ServiceId { get; set; } = "actors";

    /// <summary>Where the embedded Redis and database keep their data. Default: .actors in the current directory.</summary>
    /// <value>A path.</value>
    [StringLength(4096, MinimumLength = 1)]
    public string DataDirectory { get; set; } = ".actors";

    /// <summary>
    /// Starts although embedded data are damaged: they are moved aside, and what was acknowledged and is nowhere else is lost.
    /// On the command line also <c>--accept-data-loss</c>. For one start; false by default.
    /// </summary>
    public bool AcceptDataLoss { get; set; }

    /// <summary>
    /// By how much this machine's clock may differ from that of Redis, and of PostgreSQL if there is one, for the silo to
    /// start. A silo that runs goes on, and is degraded. Default: 60 s.
    /// </summary>
    /// <value>1 second to 1 day.</value>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan MaxClockSkew { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a graceful stop may take in all, draining included. Default: 30 s.</summary>
    /// <value>1 second to 15 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:01", "00:15:00")]
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
