using Actors.Redis;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Membership;

/// <summary>The only connection to the Redis of the membership table, shared by Orleans and this project.</summary>
/// <param name="configuration">See <see cref="Configure"/>.</param>
/// <param name="logger">The logger for reconnects.</param>
internal sealed class MembershipConnection(ConfigurationOptions configuration, ILogger<MembershipConnection> logger) : IAsyncDisposable
{
    /// <summary>The longest time a call waits, whatever the state of the connection.</summary>
    public static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ReconnectAfter = TimeSpan.FromMilliseconds(500);

    private readonly RedisConnection _connection = new(configuration.Clone, logger);

    /// <inheritdoc cref="RedisLink.Reconnects"/>
    public long Reconnects => _connection.Reconnects;

    /// <summary>Configures a connection so that no call queues behind a dead server and a recovered server is found soon.</summary>
    public static ConfigurationOptions Configure(ConfigurationOptions configuration, string prefix)
    {
        configuration = configuration.Clone();
        configuration.ClientName = $"{prefix}-clustering";
        configuration.AbortOnConnectFail = false;
        configuration.BacklogPolicy = BacklogPolicy.FailFast;
        configuration.AsyncTimeout = configuration.SyncTimeout = (int)CallTimeout.TotalMilliseconds;
        configuration.ConnectTimeout = (int)ConnectTimeout.TotalMilliseconds;
        configuration.ReconnectRetryPolicy = new LinearRetry((int)ReconnectAfter.TotalMilliseconds);
        return configuration;
    }

    /// <inheritdoc cref="RedisConnection.OpenAsync"/>
    public Task<IConnectionMultiplexer> OpenAsync() => _connection.OpenAsync();

    /// <inheritdoc cref="RedisConnection.Suspect"/>
    public void Suspect(Exception error) => _connection.Suspect(error);

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
