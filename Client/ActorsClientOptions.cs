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

    /// <summary>
    /// Gateways of silos, each as host:port, by which the cluster is found without Redis: <c>10.0.0.7:30000</c>,
    /// <c>silo-1:30000</c>, <c>[::1]:30000</c>. They are used together with the silos that Redis lists. If there are any, the
    /// embedded silo of this machine is not looked for. In the configuration a list, or one value with commas. Default: none.
    /// </summary>
    public string[] Gateways { get; set; } = [];

    /// <summary>
    /// Keeps the gateways that Redis listed last in a file in <see cref="StateDirectory"/>, and uses them when the client starts
    /// while Redis does not answer. The file holds addresses only. Default: true.
    /// </summary>
    public bool RememberGateways { get; set; } = true;

    /// <summary>
    /// Where that file is. Null (the default): a directory of the user that runs the process, <c>~/.local/state/actors</c> (or
    /// below <c>XDG_STATE_HOME</c>), on Windows and macOS <c>actors</c> in the local application data.
    /// </summary>
    public string? StateDirectory { get; set; }

    /// <summary>The cluster to join; must be that of the silos. Default: "actors".</summary>
    public string ClusterId { get; set; } = "actors";

    /// <summary>The service the cluster runs; must be that of the silos. Default: "actors".</summary>
    public string ServiceId { get; set; } = "actors";

    /// <summary>How long the start goes on trying while Redis or the silos do not answer. Default: 10 seconds.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Starts the app before the cluster is there: the start of the host waits for nothing, and the client connects as soon as the
    /// cluster answers, however long that takes. Until then a call waits for 5 seconds at most, and then fails with a
    /// <see cref="ClusterUnreachableException"/> that says what is missing; it did nothing. Default: false.
    /// </summary>
    public bool ConnectInBackground { get; set; }

    /// <summary>
    /// How long a call waits for its answer before it fails with a <see cref="ClusterUnreachableException"/>. Default: 30 seconds.
    /// </summary>
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How often a call is made at most where it may be repeated (see <see cref="RetryFilter"/>); 1 for never again.
    /// Whatever this says, no attempt begins once <see cref="ResponseTimeout"/> is over. Default: 8.
    /// </summary>
    /// <value>1 to 100.</value>
    public int MaxAttempts { get; set; } = 8;

    /// <summary>
    /// How long to wait before the second attempt; then twice as long each time, up to 2 seconds, with jitter. Default: 50
    /// milliseconds.
    /// </summary>
    /// <value>1 millisecond to 1 minute.</value>
    public TimeSpan FirstPause { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// How long one attempt waits for its answer where the call may be repeated whatever became of the attempt. A silo
    /// that was killed answers no more; it is declared dead after about 6 seconds, one that is frozen after 9 to 15, and then
    /// the next attempt is answered.
    /// Longer than a silo waits for the database, which would be cut short otherwise. Default: 12 seconds.
    /// </summary>
    /// <value>100 milliseconds to 1 hour.</value>
    public TimeSpan AttemptTimeout { get; set; } = TimeSpan.FromSeconds(12);

    /// <summary>
    /// Gives each write without a <see cref="WriteOptions.RequestId"/> one, so that it may be repeated as those that have
    /// one. A user remembers the last <see cref="UserLimits.RememberedRequests"/> of them for
    /// <see cref="UserLimits.RequestIdMemory"/>, at about 70 bytes each, in memory and in all that is stored and journaled
    /// of it. Default: false.
    /// </summary>
    public bool AssignRequestIds { get; set; }

    /// <summary>
    /// Where to begin looking for <c>.actors/embedded.json</c>, going upward. Null (the default): the current directory.
    /// </summary>
    public string? SearchDirectory { get; set; }
}
