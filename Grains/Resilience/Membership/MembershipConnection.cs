using StackExchange.Redis;

namespace Actors.Resilience;

/// <summary>The one connection to the Redis of the membership table, for Orleans and for us.</summary>
/// <param name="configuration">See <see cref="Configure"/>.</param>
internal sealed class MembershipConnection(ConfigurationOptions configuration) : IAsyncDisposable
{
    /// <summary>No call waits longer, whatever becomes of the connection.</summary>
    public static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ReconnectAfter = TimeSpan.FromMilliseconds(500);

    // Made on first use. Lazy publishes it once to all threads.
    private readonly Lazy<Task<ConnectionMultiplexer>> _connecting = new(() => ConnectionMultiplexer.ConnectAsync(configuration));

    /// <summary>Sets a connection up so that nothing queues behind a dead server, and a server that is back is soon found.</summary>
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

    /// <summary>The connection, also while the server is away: it then fails every call, and connects by itself once it can.</summary>
    public async Task<IConnectionMultiplexer> OpenAsync() => await _connecting.Value;

    public async ValueTask DisposeAsync()
    {
        if (_connecting is { IsValueCreated: true, Value.IsCompletedSuccessfully: true }) await (await _connecting.Value).DisposeAsync();
    }
}
