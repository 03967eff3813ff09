namespace Actors;

/// <summary>Where the cluster is and how to talk to it. Also bound from the configuration section <see cref="SectionName"/>.</summary>
public sealed class ActorsClientOptions
{
    /// <summary>The configuration section these options are bound from: "Actors:Client".</summary>
    public const string SectionName = "Actors:Client";

    /// <summary>
    /// The connection string of the Redis in which the silos are listed. Null (the default): <c>ConnectionStrings:redis</c>
    /// of the configuration, else that of the embedded silo of this machine (<see cref="EmbeddedSilo"/>).
    /// </summary>
    public string? Redis { get; set; }

    /// <summary>The cluster to join; must be that of the silos. Default: "actors".</summary>
    public string ClusterId { get; set; } = "actors";

    /// <summary>The service the cluster runs; must be that of the silos. Default: "actors".</summary>
    public string ServiceId { get; set; } = "actors";

    /// <summary>How long the start goes on trying while Redis or the silos do not answer. Default: 10 seconds.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a call waits for its answer before it fails with a TimeoutException. Default: 30 seconds.</summary>
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Where to begin looking for <c>.actors/embedded.json</c>, going upward. Null (the default): the current directory.
    /// </summary>
    public string? SearchDirectory { get; set; }
}
