using Actors.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// The one way from this silo to Redis. Every call has a time limit and passes the circuit of its Redis; what Redis does not
/// serve is reported as <see cref="RedisUnavailableException"/>, at once while the circuit is open. So is a call that Redis
/// answers with an error (a script error, a wrong type), but it does not open the circuit.
/// </summary>
public sealed class RedisGateway : IAsyncDisposable
{
    // A replica may be behind, and nothing here may be answered from the past.
    private const CommandFlags Primary = CommandFlags.DemandMaster;

    private readonly RedisCircuit[] _circuits;
    private readonly Dictionary<RedisRole, RedisCircuit> _byRole;
    private readonly string? _journalCommitCommand;
    private readonly int _journalReplicas;

    // What waits behind it on the connection is kept waiting too; and an answer that took longer would count as a slow one.
    private static readonly TimeSpan ReplicaPatience = TimeSpan.FromMilliseconds(100);

    /// <summary>Opens the way; connections are made in the background.</summary>
    public RedisGateway(
        IOptions<RedisOptions> redis, IOptions<BreakerOptions> breaker, TimeProvider clock, ILogger<RedisGateway> logger, BackgroundLoops loops)
        : this(redis, breaker, clock, (ILogger)logger, loops)
    {
    }

    /// <summary>As the other, with a log of any kind.</summary>
    internal RedisGateway(
        IOptions<RedisOptions> redis, IOptions<BreakerOptions> breaker, TimeProvider clock, ILogger logger, BackgroundLoops loops)
    {
        var options = redis.Value;
        KeyPrefix = options.KeyPrefix;
        _journalCommitCommand = options.JournalCommitCommand;
        _journalReplicas = options.JournalReplicas;

        // Roles on one Redis share its fate, and so its circuit.
        _circuits = [.. Enum.GetValues<RedisRole>()
            .GroupBy(options.Of)
            .Select(roles => new RedisCircuit(options, [.. roles], breaker.Value, clock, logger, loops))];
        _byRole = _circuits.SelectMany(circuit => circuit.Roles, (circuit, role) => (circuit, role)).ToDictionary(each => each.role, each => each.circuit);
    }

    /// <summary>As the other, without a log.</summary>
    public RedisGateway(RedisOptions redis, BreakerOptions? breaker = null)
        : this(Options.Create(redis), Options.Create(breaker ?? new BreakerOptions()), TimeProvider.System, NullLogger.Instance, new BackgroundLoops())
    {
    }

    /// <summary>What all our keys begin with.</summary>
    public string KeyPrefix { get; }

    /// <summary>A circuit for each Redis.</summary>
    internal IReadOnlyList<RedisCircuit> Circuits => _circuits;

    /// <summary>True while all calls of <paramref name="role"/> go to Redis.</summary>
    public bool IsClosed(RedisRole role) => _byRole[role].State == BreakerState.Closed;

    /// <inheritdoc cref="RedisCircuit.IsAway(TimeSpan)"/>
    internal bool IsAway(RedisRole role, TimeSpan duration) => _byRole[role].IsAway(duration);

    /// <inheritdoc cref="RedisCircuit.Closed"/>
    internal ClosedSpan? Closed(RedisRole role) => _byRole[role].Closed(role);

    /// <inheritdoc cref="RedisLink.Reconnects"/>
    internal long Reconnects(RedisRole role) => _byRole[role].Reconnects(role);

    /// <inheritdoc cref="RedisCircuit.OpenAsync"/>
    internal Task<IConnectionMultiplexer> OpenAsync(RedisRole role) => _byRole[role].OpenAsync(role);

    /// <summary>Makes the connections of all roles, so that the first call of each finds it there. A Redis that is away is no error.</summary>
    public Task ConnectAsync() => Task.WhenAll(_circuits.Select(circuit => circuit.Connected));

    /// <summary>How each circuit stands.</summary>
    public BreakerSnapshot Snapshot(SiloAddress silo) => new()
    {
        Silo = SiloName.Of(silo),
        Circuits = Array.ConvertAll(_circuits, circuit => circuit.Snapshot()),
    };

    /// <summary>Makes no call until <see cref="Close"/>.</summary>
    public void Isolate(string reason)
    {
        foreach (var circuit in _circuits) circuit.Isolate(reason);
    }

    /// <summary>Makes calls again.</summary>
    public void Close(string reason)
    {
        foreach (var circuit in _circuits) circuit.Close(reason);
    }

    /// <summary>Runs a script atomically over its keys, which must share a hash tag.</summary>
    /// <param name="role">The role.</param>
    /// <param name="script">The script.</param>
    /// <param name="keys">Its keys.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="patience">
    /// Null to fail at once where the circuit does not let it through. Else it waits for its turn while only a share of the calls
    /// goes to Redis, and before that until Redis has been away for so long: for calls that decide who may write what, which had
    /// better be late than done by some and not by others.
    /// </param>
    public Task<RedisResult> EvaluateAsync(
        RedisRole role, string script, RedisKey[] keys, RedisValue[] arguments, TimeSpan? patience = null) =>
        _byRole[role].CallAsync(
            role,
            (script, keys, arguments),
            static (redis, call) => redis.ScriptEvaluateAsync(call.script, call.keys, call.arguments, Primary),
            patience);

    /// <summary>
    /// As <see cref="EvaluateAsync"/> on the journal, complete once the server has it in its log, and as many replicas as
    /// are asked for have it as well.
    /// </summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve it, or too few replicas confirmed it in time.</exception>
    public Task<RedisResult> CommitAsync(string script, RedisKey[] keys, RedisValue[] arguments) =>
        _journalCommitCommand is null && _journalReplicas == 0
            ? EvaluateAsync(RedisRole.Journal, script, keys, arguments)
            : CommitAndConfirmAsync(script, keys, arguments);

    private async Task<RedisResult> CommitAndConfirmAsync(string script, RedisKey[] keys, RedisValue[] arguments)
    {
        var (result, replicas) = await _byRole[RedisRole.Journal].CallAsync(
            RedisRole.Journal, (script, keys, arguments, gateway: this), static async (redis, call) =>
            {
                // All are on their way before any is awaited, and all are awaited whatever becomes of the others.
                var (command, wanted) = (call.gateway._journalCommitCommand, call.gateway._journalReplicas);
                var evaluating = redis.ScriptEvaluateAsync(call.script, call.keys, call.arguments, Primary);
                var committing = command is null ? Task.CompletedTask : redis.ExecuteAsync(command);
                var confirming = wanted == 0
                    ? Task.FromResult(RedisResult.Create(0))
                    : redis.ExecuteAsync("WAIT", wanted, (int)ReplicaPatience.TotalMilliseconds);
                try
                {
                    await Task.WhenAll(evaluating, committing, confirming);
                }
                catch (Exception error) when (evaluating.IsCompletedSuccessfully)
                {
                    throw new UnconfirmedException(error);
                }

                return (await evaluating, (int)await confirming);
            });
        return replicas >= _journalReplicas ? result : throw new RedisUnavailableException(
            RedisRole.Journal, $"{replicas} of its replicas confirmed a write in time, and {_journalReplicas} are asked for", mayHaveHappened: true);
    }

    /// <summary>True where all keys are on one server, so that a script may touch any of them.</summary>
    public Task<bool> IsOneServerAsync(RedisRole role) => _byRole[role].CallAsync(role, 0, static (redis, _) =>
        Task.FromResult(redis.Multiplexer.GetServers().All(server => server.ServerType != ServerType.Cluster)));

    /// <summary>Walks a hash page by page, without blocking the server.</summary>
    public async IAsyncEnumerable<HashEntry> HashScanAsync(RedisRole role, RedisKey key, int pageSize)
    {
        // The first page is part of the first call: without it nothing would have been asked of Redis.
        var (opened, isThere) = await _byRole[role].CallAsync(role, (key, pageSize), static async (redis, call) =>
        {
            var scan = redis.HashScanAsync(call.key, pageSize: call.pageSize, flags: Primary).GetAsyncEnumerator();
            return (scan, await scan.MoveNextAsync());
        });
        await using var entries = opened;

        while (isThere)
        {
            yield return entries.Current;

            // Only what has to wait for the next page is a call.
            var next = entries.MoveNextAsync();
            isThere = next.IsCompletedSuccessfully ? next.Result
                : await _byRole[role].CallAsync(role, next, static (_, next) => next.AsTask());
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var circuit in _circuits) await circuit.DisposeAsync();
    }
}
