namespace Actors.Fixtures;

/// <summary>A real Redis Sentinel that monitors a pair of servers.</summary>
public sealed class RedisSentinel : IAsyncDisposable
{
    private const string Service = "main";
    private readonly TemporaryDirectory _directory = new("sentinel");
    private readonly int _port = FreePorts.Next();
    private ServerProcess? _process;

    /// <summary>The connection string for clients, e.g. 127.0.0.1:20123,serviceName=main.</summary>
    public string ConnectionString => $"127.0.0.1:{_port},serviceName={Service}";

    /// <summary>Starts a sentinel and returns once it knows both servers.</summary>
    public static async Task<RedisSentinel> StartNewAsync(RedisPair pair)
    {
        var sentinel = new RedisSentinel();
        var configuration = sentinel._directory.File("sentinel.conf");
        await File.WriteAllTextAsync(configuration, $"""
            port {sentinel._port}
            bind 127.0.0.1
            dir {sentinel._directory.Path}
            sentinel monitor {Service} 127.0.0.1 {pair.Primary.Port} 1
            sentinel down-after-milliseconds {Service} 1000
            sentinel failover-timeout {Service} 5000
            """);
        sentinel._process = ServerProcess.Start(
            Executables.Find("redis-server") ?? throw new InvalidOperationException("redis-server was not found."),
            [configuration, "--sentinel"], sentinel._directory.Path);
        await Eventually.IsTrueAsync(() => sentinel.AnswersAsync($"SENTINEL REPLICAS {Service}", $"{pair.Replica.Port}"));
        return sentinel;
    }

    /// <summary>Triggers a failover and returns once the sentinel directs clients to the new primary.</summary>
    public async Task FailOverAsync(RedisPair pair)
    {
        await Eventually.IsTrueAsync(() => AnswersAsync($"SENTINEL FAILOVER {Service}", "OK"));
        await pair.PrimaryChangedAsync();

        // It learns this from the new primary, which it polls every few seconds.
        await Eventually.IsTrueAsync(() => AnswersAsync($"SENTINEL GET-MASTER-ADDR-BY-NAME {Service}", $"{pair.Primary.Port}"));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _process?.Dispose();
        _directory.Dispose();
        FreePorts.Release(_port);
        return ValueTask.CompletedTask;
    }

    // False while it has not started or does not know the replica yet.
    private Task<bool> AnswersAsync(string command, string text) => RedisCommands.AnswersAsync(_port, command, text);
}
