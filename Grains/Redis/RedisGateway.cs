using Actors.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// The only access of this silo to Redis. Every call has a time limit and passes the circuit of its Redis. If Redis does not
/// serve a call, it fails with <see cref="RedisUnavailableException"/>, immediately while the circuit is open. A call that
/// Redis answers with an error (a script error, a wrong type) fails the same way but does not open the circuit.
/// </summary>
public sealed class RedisGateway : IAsyncDisposable
{
    // Never read from a replica: it may be behind.
    private const CommandFlags Primary = CommandFlags.DemandMaster;

    private readonly RedisCircuit[] _circuits;
    private readonly Dictionary<RedisRole, RedisCircuit> _byRole;
    private readonly string? _journalCommitCommand;
    private readonly int _journalReplicas;

    // Short, because later calls on the connection wait behind it, and a longer wait would count as a slow answer.
    private static readonly TimeSpan ReplicaPatience = TimeSpan.FromMilliseconds(100);

    /// <summary>Creates the circuits. Connections are made in the background.</summary>
    public RedisGateway(
        IOptions<RedisOptions> redis, IOptions<BreakerOptions> breaker, TimeProvider clock, ILogger<RedisGateway> logger, BackgroundLoops loops)
        : this(redis, breaker, clock, (ILogger)logger, loops)
    {
    }

    /// <summary>Same, with any kind of logger.</summary>
    internal RedisGateway(
        IOptions<RedisOptions> redis, IOptions<BreakerOptions> breaker, TimeProvider clock, ILogger logger, BackgroundLoops loops)
    {
        var options = redis.Value;
        KeyPrefix = options.KeyPrefix;
        _journalCommitCommand = options.JournalCommitCommand;
        _journalReplicas = options.JournalReplicas;

        // Roles on the same Redis share one circuit because they fail together.
        _circuits = [.. Enum.GetValues<RedisRole>()
            .GroupBy(options.Of)
            .Select(roles => new RedisCircuit(options, [.. roles], breaker.Value, clock, logger, loops))];
        _byRole = _circuits.SelectMany(circuit => circuit.Roles, (circuit, role) => (circuit, role))
            .ToDictionary(each => each.role, each => each.circuit);
    }

    /// <summary>Same, without a log.</summary>
    public RedisGateway(RedisOptions redis, BreakerOptions? breaker = null)
        : this(
            Options.Create(redis), Options.Create(breaker ?? new BreakerOptions()), TimeProvider.System, NullLogger.Instance, new BackgroundLoops())
    {
    }

    /// <summary>The prefix of all our keys.</summary>
    public string KeyPrefix { get; }

    /// <summary>One circuit per Redis.</summary>
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

    /// <summary>Opens the connections of all roles in advance. An unavailable Redis is not an error.</summary>
    public Task ConnectAsync() => Task.WhenAll(_circuits.Select(circuit => circuit.Connected));

    /// <summary>The state of each circuit.</summary>
    public BreakerSnapshot Snapshot(SiloAddress silo) => new()
    {
        Silo = SiloName.Of(silo),
        Circuits = Array.ConvertAll(_circuits, circuit => circuit.Snapshot()),
    };

    /// <summary>Rejects all calls until <see cref="Close"/>.</summary>
    public void Isolate(string reason)
    {
        foreach (var circuit in _circuits) circuit.Isolate(reason);
    }

    /// <summary>Allows calls again.</summary>
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
    /// Null to fail at once if the circuit rejects the call. Otherwise the call waits during the ramp, and while the circuit is
    /// open until Redis has been unavailable for this long. For calls that decide about ownership: late is better than
    /// inconsistent.
    /// </param>
    public Task<RedisResult> EvaluateAsync(
        RedisRole role, string script, RedisKey[] keys, RedisValue[] arguments, TimeSpan? patience = null) =>
        _byRole[role].CallAsync(
            role,
            (script, keys, arguments),
            static (redis, call) => redis.ScriptEvaluateAsync(call.script, call.keys, call.arguments, Primary),
            patience);

    /// <summary>
    /// Like <see cref="EvaluateAsync"/> on the journal, but completes only once the server has the write in its log and the
    /// required number of replicas has it.
    /// </summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve the call, or too few replicas confirmed it in time.</exception>
    public Task<RedisResult> CommitAsync(string script, RedisKey[] keys, RedisValue[] arguments) =>
        _journalCommitCommand is null && _journalReplicas == 0
            ? EvaluateAsync(RedisRole.Journal, script, keys, arguments)
            : CommitAndConfirmAsync(script, keys, arguments);

    private async Task<RedisResult> CommitAndConfirmAsync(string script, RedisKey[] keys, RedisValue[] arguments)
    {
        var (result, replicas) = await _byRole[RedisRole.Journal].CallAsync(
            RedisRole.Journal, (script, keys, arguments, gateway: this), static async (redis, call) =>
            {
                // All are sent before any is awaited, and all are awaited even if one fails.
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
            RedisRole.Journal, $"{replicas} replicas confirmed a write in time, {_journalReplicas} are required", mayHaveHappened: true);
    }

    /// <summary>True if all keys are on one server, so that a script may use any of them.</summary>
    public Task<bool> IsOneServerAsync(RedisRole role) => _byRole[role].CallAsync(role, 0, static (redis, _) =>
        Task.FromResult(redis.Multiplexer.GetServers().All(server => server.ServerType != ServerType.Cluster)));

    /// <summary>Iterates over a hash page by page, without blocking the server.</summary>
    public async IAsyncEnumerable<HashEntry> HashScanAsync(RedisRole role, RedisKey key, int pageSize)
    {
        // The first page is part of the first call; otherwise opening the scan would not contact Redis.
        var (opened, isThere) = await _byRole[role].CallAsync(role, (key, pageSize), static async (redis, call) =>
        {
            var scan = redis.HashScanAsync(call.key, pageSize: call.pageSize, flags: Primary).GetAsyncEnumerator();
            return (scan, await scan.MoveNextAsync());
        });
        await using var entries = opened;

        while (isThere)
        {
            yield return entries.Current;

            // Only a step that has to wait for the next page counts as a call.
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
