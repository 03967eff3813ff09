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

    /// <summary>
    /// How long a call waits for its answer before it fails with a <see cref="ClusterUnreachableException"/>. Default: 30 seconds.
    /// </summary>
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How often a call is made at most where it may be repeated (see <see cref="CallRepeater"/>); 1 for never again.
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
    public bool NamesWrites { get; set; }

    /// <summary>
    /// Where to begin looking for <c>.actors/embedded.json</c>, going upward. Null (the default): the current directory.
    /// </summary>
    public string? SearchDirectory { get; set; }
}
