using StackExchange.Redis;

namespace Actors.Resilience;

/// <summary>How the silo reaches Redis. Set from <c>ConnectionStrings:redis</c> and <c>ConnectionStrings:redis-&lt;role&gt;</c>.</summary>
public sealed class RedisOptions
{
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

    /// <summary>How long one call may take before it counts as failed. Default: 1 s.</summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The connection of <paramref name="role"/>, set up so that nothing queues behind a dead server.</summary>
    internal ConfigurationOptions For(RedisRole role)
    {
        var configuration = ConfigurationOptions.Parse(Roles.TryGetValue(role, out var own) ? own : ConnectionString);
        configuration.ClientName = $"{KeyPrefix}-{role}".ToLowerInvariant();
        configuration.AbortOnConnectFail = false;
        configuration.BacklogPolicy = BacklogPolicy.FailFast;
        configuration.AsyncTimeout = configuration.SyncTimeout = (int)CallTimeout.TotalMilliseconds;
        return configuration;
    }
}
