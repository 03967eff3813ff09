using System.ComponentModel.DataAnnotations;

namespace Actors.Silo.Configuration;

/// <summary>The addresses of the silo and the cluster it belongs to: section <c>Actors</c>.</summary>
public sealed class SiloSettings
{
    /// <summary>The configuration section of these options.</summary>
    public const string Section = "Actors";

    /// <summary>The port for other silos. Default: 11111, or the next free one.</summary>
    /// <value>1 to 65535. A configured port that is in use is an error.</value>
    [Range(1, 65_535)]
    public int? SiloPort { get; set; }

    /// <summary>The port for clients. Default: 30000, or the next free one.</summary>
    /// <value>1 to 65535. A configured port that is in use is an error.</value>
    [Range(1, 65_535)]
    public int? GatewayPort { get; set; }

    /// <summary>
    /// The address for other silos and clients: an IP address, or "auto" for an address of this host. Default: 127.0.0.1, which
    /// only processes on the same host can reach.
    /// </summary>
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>Silos and clients with the same cluster id form one cluster. Default: "actors".</summary>
    /// <value>1 to 128 characters.</value>
    [StringLength(128, MinimumLength = 1)]
    public string ClusterId { get; set; } = "actors";

    /// <summary>
    /// The name of the cluster's data in Redis. It stays the same for successive clusters on the same data. Letters, digits,
    /// dots and dashes. Default: "actors".
    /// </summary>
    [RegularExpression("^[A-Za-z0-9.-]{1,64}$")]
    public string ServiceId { get; set; } = "actors";

    /// <summary>The directory of the embedded Redis and database. Default: .actors in the current directory.</summary>
    /// <value>A path.</value>
    [StringLength(4096, MinimumLength = 1)]
    public string DataDirectory { get; set; } = ".actors";

    /// <summary>
    /// Starts although embedded data is damaged. The damaged data is moved aside, and acknowledged writes stored nowhere else
    /// are lost. Also <c>--accept-data-loss</c> on the command line. Meant for a single start. Default: false.
    /// </summary>
    public bool AcceptDataLoss { get; set; }

    /// <summary>
    /// How far this machine's clock may differ from the clocks of Redis and PostgreSQL. Beyond it the silo does not start; a
    /// running silo becomes degraded. Default: 60 s.
    /// </summary>
    /// <value>1 second to 1 day.</value>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan MaxClockSkew { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The time limit of a graceful stop, including the drain. Default: 30 s.</summary>
    /// <value>1 second to 15 minutes.</value>
    [Range(typeof(TimeSpan), "00:00:01", "00:15:00")]
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(30);
}
