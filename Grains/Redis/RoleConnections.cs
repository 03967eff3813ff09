using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// The connections to one Redis, one per role that uses it. Safe for any thread: the set of connections never changes, and each
/// has a lock of its own.
/// </summary>
internal sealed class RoleConnections : IAsyncDisposable
{
    private readonly Dictionary<RedisRole, RedisConnection> _connections;
    private readonly string _keyPrefix;

    /// <param name="redis">The settings of all roles.</param>
    /// <param name="roles">The roles that use this Redis.</param>
    /// <param name="logger">The logger for reconnects.</param>
    /// <param name="restored">Called when the driver has restored a connection.</param>
    public RoleConnections(RedisOptions redis, IReadOnlyList<RedisRole> roles, ILogger logger, Action restored)
    {
        _keyPrefix = redis.KeyPrefix;
        Roles = roles;
        RoleNames = string.Join(", ", roles).ToLowerInvariant();
        Address = redis.AddressOf(roles[0]);
        _connections = roles.ToDictionary(role => role, role => new RedisConnection(() => redis.For(role), logger, restored));
    }

    /// <summary>The address of this Redis, without secrets.</summary>
    public string Address { get; }

    /// <summary>The roles that use this Redis.</summary>
    public IReadOnlyList<RedisRole> Roles { get; }

    /// <summary>The roles, for logs.</summary>
    public string RoleNames { get; }

    /// <inheritdoc cref="RedisLink.Reconnects"/>
    public long Reconnects(RedisRole role) => _connections[role].Reconnects;

    /// <summary>Runs <paramref name="call"/> on the connection of <paramref name="role"/>.</summary>
    public Task<T> CallAsync<TState, T>(RedisRole role, TState state, Func<IDatabase, TState, Task<T>> call) =>
        _connections[role].CallAsync(state, call);

    /// <inheritdoc cref="RedisConnection.OpenAsync"/>
    public Task<IConnectionMultiplexer> OpenAsync(RedisRole role) => _connections[role].OpenAsync();

    /// <summary>
    /// Runs the commands of every role on its connection. A full server, a replica or a server that lacks a right still answers
    /// a PING.
    /// </summary>
    public Task ProbeAsync() => Task.WhenAll(_connections.Select(each => each.Value.CallAsync(
        (_keyPrefix, Role: each.Key), static (redis, probe) => RedisProbe.RunAsync(redis, probe._keyPrefix, probe.Role))));

    /// <summary>Reports a failed call to all connections: they have the same address, so a finding about the server applies to all.</summary>
    public void Suspect(Exception error)
    {
        if (!RedisFailures.IsReplica(error)) return;
        foreach (var connection in _connections.Values) connection.Suspect(error);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections.Values) await connection.DisposeAsync();
    }
}
