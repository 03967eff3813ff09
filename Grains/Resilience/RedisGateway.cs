using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors.Resilience;

/// <summary>
/// The one way from this silo to Redis: a multiplexer per role, a time limit per call, and every failure of the server or
/// the way to it reported as <see cref="StorageUnavailableException"/>. Errors in what was asked (a script error, a wrong
/// type) pass through: they are defects, not outages.
/// </summary>
public sealed class RedisGateway(IOptions<RedisOptions> options) : IAsyncDisposable
{
    // One connection attempt per role, made on first use. Lazy publishes it once to all threads.
    private readonly Dictionary<RedisRole, Lazy<Task<ConnectionMultiplexer>>> _connections = Enum.GetValues<RedisRole>()
        .ToDictionary(role => role, role => new Lazy<Task<ConnectionMultiplexer>>(() => ConnectAsync(options.Value, role)));

    private readonly string? _journalCommitCommand = options.Value.JournalCommitCommand;

    /// <summary>What all our keys begin with.</summary>
    public string KeyPrefix { get; } = options.Value.KeyPrefix;

    /// <summary>Runs a script atomically over its keys, which must share a hash tag.</summary>
    public Task<RedisResult> EvaluateAsync(RedisRole role, string script, RedisKey[] keys, RedisValue[] arguments) =>
        CallAsync(role, (script, keys, arguments), static (redis, call) =>
            redis.ScriptEvaluateAsync(call.script, call.keys, call.arguments));

    /// <summary>As <see cref="EvaluateAsync"/> on the journal, complete once the server has it in its log.</summary>
    public async Task<RedisResult> CommitAsync(string script, RedisKey[] keys, RedisValue[] arguments)
    {
        var evaluating = EvaluateAsync(RedisRole.Journal, script, keys, arguments);
        if (_journalCommitCommand is null) return await evaluating;

        // Both are on their way before either is awaited, and both are awaited whatever becomes of the other.
        var committing = CallAsync(RedisRole.Journal, _journalCommitCommand, static (redis, command) => redis.ExecuteAsync(command));
        await Task.WhenAll(evaluating, committing);
        return await evaluating;
    }

    /// <summary>Walks a hash page by page, without blocking the server.</summary>
    public async IAsyncEnumerable<HashEntry> HashScanAsync(RedisRole role, RedisKey key, int pageSize)
    {
        var redis = await DatabaseAsync(role);
        await using var entries = redis.HashScanAsync(key, pageSize: pageSize).GetAsyncEnumerator();
        while (true)
        {
            try
            {
                if (!await entries.MoveNextAsync()) yield break;
            }
            catch (Exception error) when (IsUnavailable(error))
            {
                throw Unavailable(role, error);
            }

            yield return entries.Current;
        }
    }

    /// <summary>Round-trip time of one PING, or an exception where the role's Redis cannot be reached.</summary>
    public Task<TimeSpan> PingAsync(RedisRole role) => CallAsync(role, 0, static (redis, _) => redis.PingAsync());

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections.Values.Where(lazy => lazy is { IsValueCreated: true, Value.IsCompletedSuccessfully: true }))
            await (await connection.Value).DisposeAsync();
    }

    private async Task<T> CallAsync<TState, T>(RedisRole role, TState state, Func<IDatabase, TState, Task<T>> call)
    {
        try
        {
            return await call(await DatabaseAsync(role), state);
        }
        catch (Exception error) when (IsUnavailable(error))
        {
            throw Unavailable(role, error);
        }
    }

    private async ValueTask<IDatabase> DatabaseAsync(RedisRole role)
    {
        var connecting = _connections[role].Value;
        return (connecting.IsCompletedSuccessfully ? connecting.Result : await connecting).GetDatabase();
    }

    private static async Task<ConnectionMultiplexer> ConnectAsync(RedisOptions options, RedisRole role) =>
        await ConnectionMultiplexer.ConnectAsync(options.For(role));

    private static bool IsUnavailable(Exception error) => error switch
    {
        RedisConnectionException or RedisTimeoutException or TimeoutException or ObjectDisposedException => true,
        RedisServerException server => UnavailablePrefixes.Any(prefix =>
            server.Message.StartsWith(prefix, StringComparison.Ordinal)),
        _ => false,
    };

    // Answers of a server that is there but cannot serve: loading, demoted, cut from its primary, full, or busy.
    private static readonly string[] UnavailablePrefixes =
        ["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "OOM", "MISCONF", "BUSY", "NOREPLICAS", "TRYAGAIN"];

    private static StorageUnavailableException Unavailable(RedisRole role, Exception error) =>
        new("Redis", $"Redis ({role} role) cannot be reached: {FirstSentence(error.Message)}");

    private static string FirstSentence(string message)
    {
        var end = message.IndexOf(';', StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }
}
