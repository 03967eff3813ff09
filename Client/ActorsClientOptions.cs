namespace Actors;

/// <summary>The location of the cluster and the settings of calls. Also bound from the configuration section <see cref="SectionName"/>.</summary>
public sealed class ActorsClientOptions
{
    /// <summary>The configuration section these options are bound from: "Actors:Client".</summary>
    public const string SectionName = "Actors:Client";

    /// <summary>
    /// The connection string of the Redis that lists the silos. Null (the default): <c>ConnectionStrings:redis</c> of the
    /// configuration, else that of the embedded silo on this machine (<see cref="EmbeddedSilo"/>).
    /// </summary>
    public string? Redis { get; set; }

    /// <summary>
    /// Gateways of silos, each as host:port, to find the cluster without Redis: <c>10.0.0.7:30000</c>, <c>silo-1:30000</c>,
    /// <c>[::1]:30000</c>. They are used together with the silos that Redis lists. If there are any, no embedded silo is looked for.
    /// In the configuration: a list, or one value with commas. Default: none.
    /// </summary>
    public string[] Gateways { get; set; } = [];

    /// <summary>
    /// Saves the gateways that Redis listed last in a file in <see cref="StateDirectory"/>, and uses them if the client starts while
    /// Redis does not answer. The file holds addresses only. Default: true.
    /// </summary>
    public bool RememberGateways { get; set; } = true;

    /// <summary>
    /// The directory of that file. Null (the default): a directory of the user that runs the process, <c>~/.local/state/actors</c>
    /// (or below <c>XDG_STATE_HOME</c>); on Windows and macOS <c>actors</c> in the local application data.
    /// </summary>
    public string? StateDirectory { get; set; }

    /// <summary>The cluster to join; must equal that of the silos. Default: "actors".</summary>
    public string ClusterId { get; set; } = "actors";

    /// <summary>The service of the cluster; must equal that of the silos. Default: "actors".</summary>
    public string ServiceId { get; set; } = "actors";

    /// <summary>How long the start retries while Redis or the silos do not answer, 0 to 1 hour. Default: 10 seconds.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Starts the app before the cluster is available: the start of the host does not wait, and the client connects as soon as the
    /// cluster answers, however long that takes. Until then a call waits at most 5 seconds, then throws a
    /// <see cref="ClusterUnreachableException"/> that explains what is missing; the call did nothing. Default: false.
    /// </summary>
    public bool ConnectInBackground { get; set; }

    /// <summary>
    /// The maximum time a call waits for its answer before it throws <see cref="ClusterUnreachableException"/>, 100 milliseconds to
    /// 1 hour. Default: 30 seconds.
    /// </summary>
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The maximum number of attempts of a call that may be retried (see <see cref="RetryFilter"/>); 1 disables retries. In any case,
    /// no attempt begins after <see cref="ResponseTimeout"/>. Default: 8.
    /// </summary>
    /// <value>1 to 100.</value>
    public int MaxAttempts { get; set; } = 8;

    /// <summary>
    /// The delay before the second attempt; doubled for each further one, up to 2 seconds, with jitter. Default: 50 milliseconds.
    /// </summary>
    /// <value>1 millisecond to 1 minute.</value>
    public TimeSpan FirstPause { get; set; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// The maximum time one attempt of an idempotent call waits for its answer. A killed silo does not answer; it is declared dead
    /// after about 6 seconds, a frozen one after 9 to 15 seconds, and then the next attempt is answered. The timeout should exceed the
    /// time a silo waits for the database. Default: 12 seconds.
    /// </summary>
    /// <value>100 milliseconds to 1 hour.</value>
    public TimeSpan AttemptTimeout { get; set; } = TimeSpan.FromSeconds(12);

    /// <summary>
    /// Assigns a <see cref="WriteOptions.RequestId"/> to each write without one, so that it may be retried. A user remembers the last
    /// <see cref="UserLimits.RememberedRequests"/> ids for <see cref="UserLimits.RequestIdMemory"/>, at about 70 bytes each, in memory
    /// and in its stored and journaled state. Default: false.
    /// </summary>
    public bool AssignRequestIds { get; set; }

    /// <summary>
    /// Sends short calls to users and limiters that are made at the same time in one message, which takes about half of the CPU. Each
    /// succeeds or fails by itself. Applies while many calls are in flight (<see cref="CoalesceAbove"/>); not to calls that tracing
    /// records or that carry a <see cref="RequestContext"/>, nor if the app has outgoing call filters of its own. Orleans' dashboard and
    /// call metrics do not count these calls. Default: true.
    /// </summary>
    public bool CoalesceCalls { get; set; } = true;

    /// <summary>
    /// Calls in flight, times the number of silos, above which calls travel together: with fewer, messages carry so few calls that they
    /// cost more than they save. 0 to 1,000,000. Default: 64.
    /// </summary>
    public int CoalesceAbove { get; set; } = 64;

    /// <summary>
    /// The directory in which to start looking for <c>.actors/embedded.json</c>, going upward. Null (the default): the current
    /// directory.
    /// </summary>
    public string? SearchDirectory { get; set; }
}
