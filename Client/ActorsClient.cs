using Microsoft.Extensions.Logging;

namespace Actors;

/// <summary>
/// The entry point to the cluster: typed accessors to its grains. Register it with
/// <see cref="ActorsClientHostingExtensions.AddActorsClient{TBuilder}(TBuilder, Action{ActorsClientOptions}?)"/>
/// and inject it; it is connected once the host has started. Safe for concurrent use.
/// </summary>
/// <param name="cluster">The Orleans client, or any other source of grain references (in a silo, in a test).</param>
public sealed class ActorsClient(IGrainFactory cluster)
{
    private readonly GrainReferences<IUserGrain> _users = new(cluster, "user", null, null);
    private readonly GrainReferences<IRateLimiterGrain> _limiters = new(cluster, "rate-limiter", null, null);

    // Created on first use; if several threads create one, the first is kept.
    private RateLimitCalls? _rateLimitCalls;

    internal ActorsClient(IGrainFactory cluster, IGrainReferenceRuntime runtime, IServiceProvider services)
        : this(cluster)
    {
        _users = new(cluster, "user", runtime, services);
        _limiters = new(cluster, "rate-limiter", runtime, services);
    }

    /// <summary>Returns the user with this id. Makes no call, so the user may not exist.</summary>
    /// <exception cref="InvalidUserException">
    /// The id is not 1 to <see cref="UserLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, or is blank.
    /// </exception>
    public IUserGrain User(string id)
    {
        UserLimits.ValidateId(id);
        return _users.Get(id, IsConnected);
    }

    /// <summary>Returns the limiter of the client with this id. Makes no call.</summary>
    /// <exception cref="InvalidRateLimitException">
    /// The id is not 1 to <see cref="RateLimits.MaxIdBytes"/> bytes of UTF-8 without NUL, or is blank.
    /// </exception>
    public IRateLimiterGrain RateLimiter(string clientId)
    {
        RateLimits.ValidateId(clientId);
        return _limiters.Get(clientId, IsConnected);
    }

    /// <summary>
    /// Reads any number of users, with up to 1,024 calls in flight. Each read succeeds or fails by itself, as
    /// <see cref="IUserGrain.GetAsync"/> would.
    /// </summary>
    /// <param name="ids">The ids of the users.</param>
    /// <param name="cancellationToken">Ends the wait for all results.</param>
    /// <returns>A result for each id, in the order of the ids.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public Task<IReadOnlyList<CallResult<User?>>> GetManyAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return BulkCalls.MakeAsync(ids, id => id, id => User(id).GetAsync(cancellationToken), cancellationToken);
    }

    /// <summary>
    /// Updates any number of users, with up to 1,024 calls in flight. This is not a transaction: each write succeeds or fails by itself,
    /// as <see cref="IUserGrain.UpdateAsync"/> would. Writes to one user are made in no particular order.
    /// </summary>
    /// <param name="changes">The ids of the users, and what to change.</param>
    /// <param name="options">The options of every write.</param>
    /// <param name="cancellationToken">Ends the wait for all results.</param>
    /// <returns>A result for each change, in the order of the changes.</returns>
    /// <exception cref="InvalidUserException">A user is changed more than once under one <see cref="WriteOptions.RequestId"/>.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; writes that had begun may take effect.</exception>
    public Task<IReadOnlyList<CallResult<WriteReceipt>>> UpdateManyAsync(
        IReadOnlyList<(string Id, UserPatch Patch)> changes, WriteOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(changes);
        if (options?.RequestId is not null && changes.CountBy(change => change.Id).FirstOrDefault(user => user.Value > 1).Key is { } twice)
            throw new InvalidUserException($"User {WellFormedText.Quote(twice)} has several changes under one RequestId, and only one would be made; change each user once.");
        return BulkCalls.MakeAsync(
            changes, change => change.Id, change => User(change.Id).UpdateAsync(change.Patch, options, cancellationToken), cancellationToken);
    }

    /// <summary>
    /// Asks the limiters of any number of clients, with up to 1,024 calls in flight. Each decision is made by itself, as
    /// <see cref="IRateLimiterGrain.AcquireAsync"/> would.
    /// </summary>
    /// <param name="requests">The ids of the clients, and what to ask for.</param>
    /// <param name="cancellationToken">Ends the wait for all results.</param>
    /// <returns>A result for each request, in the order of the requests.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled; requests that had begun may have been charged.</exception>
    public Task<IReadOnlyList<CallResult<RateLimitDecision>>> AcquireManyAsync(
        IReadOnlyList<(string ClientId, RateLimitRequest Request)> requests, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(requests);
        return BulkCalls.MakeAsync(
            requests, each => each.ClientId, each => RateLimiter(each.ClientId).AcquireAsync(each.Request, cancellationToken), cancellationToken);
    }

    /// <summary>Coalesces the calls of all limiters in this process.</summary>
    internal RateLimitCalls RateLimitCalls =>
        _rateLimitCalls ?? Interlocked.CompareExchange(ref _rateLimitCalls, new(RateLimiter, logger: Logger), null) ?? _rateLimitCalls;

    /// <summary>Logs when the cluster does not answer limiters.</summary>
    internal ILogger? Logger { get; init; }

    /// <summary>The state of the connection; null if this client does not connect by itself (in a silo, in a test).</summary>
    internal ClusterConnection? Connection { get; init; }

    /// <summary>Returns the circuit breaker of one silo. Makes no call.</summary>
    /// <param name="silo">The silo's address, as in <see cref="SiloReport.Silo"/>.</param>
    /// <exception cref="SiloNotFoundException">The address is blank.</exception>
    public IRedisBreakerGrain RedisBreaker(string silo) => string.IsNullOrWhiteSpace(silo)
        ? throw new SiloNotFoundException("The address of the silo is blank; use one from the status of the cluster, e.g. 127.0.0.1:11111@1234.")
        : Grain<IRedisBreakerGrain>("redis-breaker", silo);

    /// <summary>The rows that the database refused and that are parked.</summary>
    public IWriteBehindGrain WriteBehind => Grain<IWriteBehindGrain>("write-behind", "write-behind");

    /// <summary>The state of the whole cluster.</summary>
    public IClusterGrain Cluster => Grain<IClusterGrain>("cluster", "cluster");

    // Orleans maps interfaces to grain types only once it is connected.
    private T Grain<T>(string type, string key)
        where T : IGrainWithStringKey =>
        IsConnected ? cluster.GetGrain<T>(key) : cluster.GetGrain<T>(GrainId.Create(type, key));

    private bool IsConnected => Connection is not { IsOpen: false };
}
