using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>How the silo reaches Redis. Set from <c>ConnectionStrings:redis</c> and <c>ConnectionStrings:redis-&lt;role&gt;</c>.</summary>
public sealed class RedisOptions
{
    // Longer than our own time limits, which decide. This one only ends calls that were already abandoned.
    private static readonly TimeSpan LastResort = TimeSpan.FromSeconds(5);
    private static readonly int DriversConnectTimeout = new ConfigurationOptions().ConnectTimeout;
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ReconnectAfter = TimeSpan.FromMilliseconds(500);

    /// <summary>The connection string of all roles without their own.</summary>
    public string ConnectionString { get; set; } = "";

    /// <summary>The connection strings of roles with a separate Redis.</summary>
    public IDictionary<RedisRole, string> Roles { get; } = new Dictionary<RedisRole, string>();

    /// <summary>The prefix of all our keys, so that several clusters can share one Redis. Default: "actors".</summary>
    public string KeyPrefix { get; set; } = "actors";

    /// <summary>
    /// A command sent after every journal commit on the same connection. The commit counts only after its answer. For servers
    /// that answer writes before logging them and have such a command. Default: none.
    /// </summary>
    public string? JournalCommitCommand { get; set; }

    /// <summary>How many replicas must confirm a commit to the journal before it counts. Default: 0.</summary>
    public int JournalReplicas { get; set; }

    /// <summary>The connection string of <paramref name="role"/>.</summary>
    internal string Of(RedisRole role) => Roles.TryGetValue(role, out var own) ? own : ConnectionString;

    /// <summary>The address of the Redis of <paramref name="role"/>, without secrets.</summary>
    internal string AddressOf(RedisRole role) => RedisConnectionString.AddressesOf(For(role));

    /// <summary>The connection options of <paramref name="role"/>, set so that no call queues behind a dead server.</summary>
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

        // INFO counts as an admin command. No other admin command is sent.
        configuration.AllowAdmin = true;
        return configuration;
    }
}
