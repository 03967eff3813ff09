using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>How the silo reaches Redis. Set from <c>ConnectionStrings:redis</c> and <c>ConnectionStrings:redis-&lt;role&gt;</c>.</summary>
public sealed class RedisOptions
{
    // Beyond our own time limits, which are what counts: this one only ends what they gave up.
    private static readonly TimeSpan LastResort = TimeSpan.FromSeconds(5);
    private static readonly int DriversConnectTimeout = new ConfigurationOptions().ConnectTimeout;
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ReconnectAfter = TimeSpan.FromMilliseconds(500);

    /// <summary>The connection string of all roles that have none of their own.</summary>
    public string ConnectionString { get; set; } = "";

    /// <summary>The connection strings of roles with a Redis of their own.</summary>
    public IDictionary<RedisRole, string> Roles { get; } = new Dictionary<RedisRole, string>();

    /// <summary>What all our keys begin with, so that several clusters may share one Redis. Default: "actors".</summary>
    public string KeyPrefix { get; set; } = "actors";

    /// <summary>
    /// A command to send behind every commit to the journal, on the same connection, and to wait for before it counts; for
    /// a server that answers writes before they are in its log and has such a command. Default: none.
    /// </summary>
    public string? JournalCommitCommand { get; set; }

    /// <summary>How many replicas must confirm a commit to the journal before it counts. Default: 0.</summary>
    public int JournalReplicas { get; set; }

    /// <summary>The connection string of <paramref name="role"/>.</summary>
    internal string Of(RedisRole role) => Roles.TryGetValue(role, out var own) ? own : ConnectionString;

    /// <summary>Where the Redis of <paramref name="role"/> is, without secrets.</summary>
    internal string AddressOf(RedisRole role) => RedisConnectionString.AddressesOf(For(role));

    /// <summary>The connection of <paramref name="role"/>, set up so that nothing queues behind a dead server.</summary>
    internal ConfigurationOptions For(RedisRole role)
    {
        var configuration = ConfigurationOptions.Parse(Of(role));
        configuration.ClientName = $"{KeyPrefix}-{role}".ToLowerInvariant();
        configuration.AbortOnConnectFail = false;
        configuration.BacklogPolicy = BacklogPolicy.FailFast;
        configuration.AsyncTimeout = configuration.SyncTimeout = (int)LastResort.TotalMilliseconds;
        if (configuration.ConnectTimeout == DriversConnectTimeout) configuration.ConnectTimeout = (int)ConnectTimeout.TotalMilliseconds;
        configuration.ReconnectRetryPolicy = new LinearRetry((int)ReconnectAfter.TotalMilliseconds);
        configuration.HeartbeatInterval = ReconnectAfter;

        // INFO counts as an administrator's command; nothing else of that kind is sent.
        configuration.AllowAdmin = true;
        return configuration;
    }
}
