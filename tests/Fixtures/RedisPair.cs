using System.Globalization;

namespace Actors.Fixtures;

/// <summary>
/// Two real Redis servers, a primary and a replica, behind one address that leads to the primary, like a managed Redis.
/// After a failover new connections reach the new primary, and open ones stay with the old one.
/// </summary>
public sealed class RedisPair : IAsyncDisposable
{
    // A full synchronisation starts at once instead of waiting for further replicas.
    private static readonly string[] Arguments = ["--repl-diskless-sync-delay", "0"];

    private readonly RedisServer[] _servers;
    private readonly TcpProxy _proxy;
    private int _primary;

    /// <summary>Describes the pair; <see cref="StartAsync"/> starts it.</summary>
    public RedisPair()
    {
        _servers = [new RedisServer(true, Arguments), new RedisServer(true, Arguments)];
        _proxy = new TcpProxy(Primary.Port);
    }

    /// <summary>The address for clients, e.g. 127.0.0.1:20123.</summary>
    public string Address => _proxy.Address;

    /// <summary>The addresses of both servers, as a list of endpoints.</summary>
    public string Endpoints => $"{_servers[0].ConnectionString},{_servers[1].ConnectionString}";

    /// <summary>The server that new connections reach.</summary>
    public RedisServer Primary => _servers[_primary];

    /// <summary>The replica of <see cref="Primary"/>.</summary>
    public RedisServer Replica => _servers[1 - _primary];

    /// <summary>Starts both servers and returns once replication works.</summary>
    public static async Task<RedisPair> StartNewAsync()
    {
        var pair = new RedisPair();
        try
        {
            await pair.StartAsync();
            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc cref="StartNewAsync"/>
    public async Task StartAsync()
    {
        await Task.WhenAll(_servers.Select(server => server.StartAsync()));
        await FollowAsync();
        await ReplicatedAsync();
    }

    /// <summary>The number of bytes of the replication stream lost in the last failover.</summary>
    public long LostBytes { get; private set; }

    /// <summary>Promotes the replica, redirects new connections to it, and makes the former primary its replica.</summary>
    public async Task FailOverAsync()
    {
        await PromoteAsync();
        var written = await OffsetAsync(Replica, "master_repl_offset");
        await FollowAsync();

        // The new primary keeps the offset, plus one, at which its history diverged.
        LostBytes = Math.Max(0, written - (await OffsetAsync(Primary, "second_repl_offset") - 1));
    }

    /// <summary>Like <see cref="FailOverAsync"/>, but the former primary stays one: it is frozen or partitioned.</summary>
    public async Task PromoteAsync()
    {
        await RedisCommands.SendAsync(Replica.Port, "REPLICAOF NO ONE");
        _primary = 1 - _primary;
        _proxy.Redirect(Primary.Port);
    }

    /// <summary>Resets all connections, as some failovers do: clients reach the new primary at once.</summary>
    public void ResetConnections() => _proxy.Reset();

    /// <summary>Makes the other server a replica of the primary.</summary>
    public Task FollowAsync() => RedisCommands.SendAsync(Replica.Port, $"REPLICAOF 127.0.0.1 {Primary.Port}");

    /// <summary>Returns once a sentinel has promoted the replica.</summary>
    public async Task PrimaryChangedAsync()
    {
        await Eventually.IsTrueAsync(() => RedisCommands.AnswersAsync(Replica.Port, "INFO replication", "role:master"));
        _primary = 1 - _primary;
        _proxy.Redirect(Primary.Port);
    }

    /// <summary>Stops replication until <see cref="FollowAsync"/>: a failover loses the writes in between.</summary>
    public Task StopReplicatingAsync() => RedisCommands.SendAsync(Replica.Port, "REPLICAOF 127.0.0.1 1");

    /// <summary>Returns once the replica has all data of the primary.</summary>
    public Task ReplicatedAsync() => Eventually.IsTrueAsync(async () =>
        await RedisCommands.AnswersAsync(Replica.Port, "INFO replication", "master_link_status:up")
        && await OffsetAsync(Replica, "slave_repl_offset") >= await OffsetAsync(Primary, "master_repl_offset"));

    private static async Task<long> OffsetAsync(RedisServer server, string field)
    {
        var replication = await RedisCommands.AskAsync(server.Port, "INFO replication");
        return long.Parse(replication.Split(field + ":")[1].Split('\r')[0], CultureInfo.InvariantCulture);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _proxy.DisposeAsync();
        foreach (var server in _servers) await server.DisposeAsync();
    }
}
