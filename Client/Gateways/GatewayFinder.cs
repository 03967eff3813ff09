using System.Net;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Messaging;

namespace Actors;

/// <summary>
/// Finds the gateways of the silos: those that Redis lists, plus those from the options. If Redis does not answer or lists none,
/// the last known list is used. Gateways that Redis does not list are used only if they accept a connection; others would stall
/// calls, because Orleans spreads calls over all gateways.
/// </summary>
internal sealed partial class GatewayFinder(
    IOptions<ActorsClientOptions> options, ClusterLocation location, RememberedGateways remembered, IGatewayListProvider redis,
    ILogger<GatewayFinder> logger) : IGatewayListProvider
{
    // Orleans refreshes once a minute by default. In a rolling update, all silos a client knows may be gone by then.
    public static readonly TimeSpan Refresh = TimeSpan.FromSeconds(10);

    // The limit for Redis if other gateways are known: longer than a busy machine takes to connect.
    private static readonly TimeSpan RedisPatience = TimeSpan.FromSeconds(2.5);
    private static readonly TimeSpan ResolveLimit = TimeSpan.FromSeconds(2);

    private readonly GatewayAddress[] _given =
        [.. options.Value.Gateways.Select(text => GatewayAddress.TryParse(text, out var address) ? address : null).OfType<GatewayAddress>()];

    private readonly Lock _gate = new();

    // Guarded by the lock. Single flight: one query serves all callers that wait for it.
    private Task<IList<Uri>>? _asking;

    // Replaced as a whole by each refresh.
    private volatile IReadOnlyList<IPEndPoint>? _lastListed;
    private volatile IReadOnlyList<string> _unanswered = [];
    private volatile string? _redisProblem;
    private volatile IReadOnlyList<IPEndPoint> _silos = [];

    /// <summary>True if there is a Redis, but it does not list the gateways in use.</summary>
    public bool IsWithoutRedis => _redisProblem is not null;

    /// <summary>Why Redis does not list the gateways, while others are used instead; else null.</summary>
    public string? RedisProblem => _redisProblem;

    /// <summary>The gateways that were tried instead of Redis' list and did not answer; empty if one answered.</summary>
    public IReadOnlyList<string> Unanswered => _unanswered;

    /// <summary>
    /// The gateways of single silos: those that Redis lists, since another may be a load balancer; without Redis, those in use. The same
    /// object until they change.
    /// </summary>
    public IReadOnlyList<IPEndPoint> Silos => _silos;

    /// <inheritdoc/>
    public TimeSpan MaxStaleness => Refresh;

    /// <inheritdoc/>
    public bool IsUpdatable => true;

    /// <inheritdoc/>
    public Task InitializeGatewayListProvider() => Task.CompletedTask;

    /// <summary>Asks Redis before the client needs the list; a query of the client meanwhile waits for the same answer.</summary>
    public void Prefetch()
    {
        if (location.Redis is not null) _ = Ask();
    }

    /// <inheritdoc/>
    public async Task<IList<Uri>> GetGateways()
    {
        var given = await ResolveAsync();
        var known = _lastListed ??= remembered.Load();
        var (listed, error) = await AskAsync(mayWait: _given.Length + known.Count == 0);
        if (listed.Count > 0)
        {
            ToldByRedis(listed);
            var unlisted = given.Except(listed);
            return Uris([.. listed, .. await GatewayProbe.AcceptingAsync(unlisted)], silos: listed);
        }

        var others = given.Union(known).ToArray();
        var accepting = await GatewayProbe.AcceptingAsync(others);
        _unanswered = accepting.Count > 0 ? []
            : [.. _given.Select(each => each.ToString()).Union(known.Select(each => each.ToString()))];
        if (accepting.Count == 0)
        {
            if (error is not null) ExceptionDispatchInfo.Throw(error);
            return [];
        }

        if (error is not null)
        {
            var isNew = _redisProblem is null;
            _redisProblem = RedisFailure.Explain(error, location) ?? error.Message;
            if (isNew) LogWithoutRedis(logger, _redisProblem, accepting.Count);
        }
        return Uris(accepting, silos: accepting);
    }

    private void ToldByRedis(IReadOnlyList<IPEndPoint> listed)
    {
        _lastListed = listed;
        _unanswered = [];
        remembered.Save(listed);
        if (_redisProblem is null) return;
        _redisProblem = null;
        LogWithRedis(logger, location.Address, listed.Count);
    }

    private async Task<(IReadOnlyList<IPEndPoint> Listed, Exception? Error)> AskAsync(bool mayWait)
    {
        if (location.Redis is null) return ([], null);
        var asking = Ask();
        try
        {
            var uris = await (mayWait ? asking : asking.WaitAsync(RedisPatience));
            return ([.. uris.Select(uri => new IPEndPoint(IPAddress.Parse(uri.IdnHost), uri.Port))], null);
        }
        catch (TimeoutException) when (!asking.IsCompleted)
        {
            return ([], new RedisSlowException(RedisPatience));
        }
        catch (Exception error)
        {
            return ([], error);
        }
    }

    private Task<IList<Uri>> Ask()
    {
        lock (_gate)
        {
            if (_asking is { IsCompleted: false }) return _asking;

            // On another thread, because connecting may block before its first await.
            _asking = Task.Run(redis.GetGateways);

            // Observe the exception of a query that no caller waits for any more.
            _ = _asking.ContinueWith(
                asked => _ = asked.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            return _asking;
        }
    }

    private async Task<IReadOnlyList<IPEndPoint>> ResolveAsync()
    {
        if (_given.Length == 0) return [];
        using var limit = new CancellationTokenSource(ResolveLimit);
        var resolved = await Task.WhenAll(_given.Select(each => each.ResolveAsync(limit.Token)));
        return [.. resolved.SelectMany(endpoints => endpoints).Distinct()];
    }

    private List<Uri> Uris(IReadOnlyList<IPEndPoint> gateways, IReadOnlyList<IPEndPoint> silos)
    {
        if (!silos.ToHashSet().SetEquals(_silos)) _silos = silos;
        return [.. gateways.Select(gateway => gateway.ToGatewayUri())];
    }

    [LoggerMessage(EventId = 7011, Level = LogLevel.Warning,
        Message = "{Reason}; using {Count} other known gateways until Redis lists the silos again")]
    private static partial void LogWithoutRedis(ILogger logger, string reason, int count);

    [LoggerMessage(EventId = 7012, Level = LogLevel.Information, Message = "Redis at {Redis} lists the silos again: {Count} gateways")]
    private static partial void LogWithRedis(ILogger logger, string redis, int count);
}
