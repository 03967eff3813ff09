using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;

namespace Actors.Membership;

/// <summary>
/// Prevents a second cluster with the same service id from starting while one is alive. The second one would take the silos of
/// the first for dead and take over their rows. Each silo records itself once a second in every Redis that holds actors' data.
/// </summary>
internal sealed partial class ClusterClaims : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    /// <summary>How long a silo counts as alive after it was last seen.</summary>
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    // Longer than a silo needs to notice a recovered Redis, which it probes at least every 5 s.
    private static readonly TimeSpan SilentGrace = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReleaseLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(30);

    private readonly IReadOnlyList<(ClusterClaim Claim, string Redis)> _claims;
    private readonly string _clusterId;
    private readonly string _serviceId;
    private readonly TimeProvider _time;
    private readonly IHostApplicationLifetime? _host;
    private readonly ILogger<ClusterClaims> _logger;
    private readonly CancellationTokenSource _stop = new();
    private Task _keeping = Task.CompletedTask;

    // Written once by the loop, read by the host after the silo has stopped.
    private volatile string? _lostTo;

    public ClusterClaims(
        RedisGateway redis, IOptions<ClusterOptions> cluster, ILocalSiloDetails self, TimeProvider time, ILogger<ClusterClaims> logger,
        IHostApplicationLifetime? host = null)
        : this(redis, cluster.Value.ClusterId, redis.KeyPrefix, self.SiloAddress.ToParsableString(), Bound, time, logger, host)
    {
    }

    internal ClusterClaims(
        RedisGateway redis, string clusterId, string serviceId, string silo, TimeSpan bound, TimeProvider time, ILogger<ClusterClaims> logger,
        IHostApplicationLifetime? host = null)
    {
        (_clusterId, _serviceId, _time, _logger, _host) = (clusterId, serviceId, time, logger, host);
        _claims = [.. redis.Circuits.Select(circuit => (new ClusterClaim(redis, circuit.Roles[0], clusterId, silo, bound), circuit.Address))];
        LapsesAfter = bound;
    }

    /// <summary>Why this silo stopped by itself: another cluster took over. Null if it did not.</summary>
    public string? LostTo => _lostTo;

    private TimeSpan LapsesAfter { get; }

    public void Participate(ISiloLifecycle observer)
    {
        // The claim precedes any use of the membership table. It is repeated before the silo becomes active: a live cluster
        // whose Redis was just emptied has recorded itself again by then, because a silo that finds an empty table waits. The
        // release follows the drain of the queue.
        observer.Subscribe(nameof(ClusterClaims), ServiceLifecycleStage.RuntimeStorageServices - 1, BeginAsync, async _ =>
        {
            await StopAsync();
            await ReleaseAsync();
        });
        observer.Subscribe(nameof(ClusterClaims), ServiceLifecycleStage.BecomeActive - 1, JoinAsync);
    }

    // Also runs after a failed start, when nothing else stops the loop. The source is only cancelled because the loop may still
    // use it.
    public void Dispose() => _stop.Cancel();

    /// <summary>Records this silo as starting.</summary>
    /// <exception cref="ServiceInUseException">Another cluster is alive.</exception>
    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        foreach (var (claim, redis) in _claims) await TakeAsync(claim, ClaimStep.Begin, redis, cancellationToken);
    }

    /// <summary>Records this silo as a member and keeps recording it.</summary>
    /// <exception cref="ServiceInUseException">Another cluster is alive.</exception>
    public async Task JoinAsync(CancellationToken cancellationToken)
    {
        foreach (var (claim, redis) in _claims) await TakeAsync(claim, ClaimStep.Join, redis, cancellationToken);
        _keeping = Task.WhenAll(_claims.Select(each => Task.Run(() => KeepAsync(each.Claim, each.Redis), CancellationToken.None)));
    }

    /// <summary>Stops recording this silo.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _keeping;
    }

    /// <summary>Removes this silo from the record.</summary>
    public async Task ReleaseAsync()
    {
        foreach (var (claim, _) in _claims)
        {
            try
            {
                await claim.ReleaseAsync().WaitAsync(ReleaseLimit);
            }
            catch (Exception error) when (error is RedisUnavailableException or TimeoutException)
            {
                // The silo counts as alive until the bound has passed.
            }
        }
    }

    // Waits for an unavailable Redis, like the rest of the start.
    private async Task TakeAsync(ClusterClaim claim, ClaimStep step, string redis, CancellationToken cancellationToken)
    {
        var silentSince = 0L;
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                var isReplacing = silentSince != 0 && _time.GetElapsedTime(silentSince) >= SilentGrace;
                var answer = await claim.RecordAsync(step, isReplacing);
                if (answer.IsRecorded) return;
                if (!answer.IsSilent) throw new ServiceInUseException(Explain(answer, redis));
                if (silentSince == 0)
                {
                    silentSince = _time.GetTimestamp();
                    LogSilent(_logger, answer.Other!, _serviceId, answer.Age, SilentGrace);
                }
            }
            catch (RedisUnavailableException)
            {
                // The circuit has logged the failure and keeps trying.
            }

            await Task.Delay(Every / 2, _time, cancellationToken);
        }
    }

    private async Task KeepAsync(ClusterClaim claim, string redis)
    {
        var (recorded, bothLog) = (_time.GetTimestamp(), new LogThrottle(LogEvery, _time));
        try
        {
            while (true)
            {
                await Task.Delay(Every, _time, _stop.Token);
                try
                {
                    // Without contact for this long, another cluster may rightly have taken over.
                    var sent = _time.GetTimestamp();
                    var hasLapsed = _time.GetElapsedTime(recorded, sent) >= LapsesAfter;
                    var answer = await claim.RecordAsync(hasLapsed ? ClaimStep.Join : ClaimStep.Keep, replacesSilent: true);
                    if (!answer.IsRecorded)
                    {
                        _lostTo = Explain(answer, redis);
                        LogLost(_logger, _lostTo);
                        _host?.StopApplication();
                        return;
                    }

                    recorded = sent;
                    if (answer.Other is not null && bothLog.IsDue()) LogBoth(_logger, answer.Other, answer.Silo, _serviceId);
                }
                catch (RedisUnavailableException)
                {
                    // The next round tries again.
                }
                catch (Exception error) when (!_stop.IsCancellationRequested)
                {
                    LogFailed(_logger, error);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
        }
    }

    private string Explain(ClaimAnswer answer, string redis) => FormattableString.Invariant(
        $"Actors:ServiceId {_serviceId} is in use by the cluster {WellFormedText.Quote(answer.Other ?? "")} (silo {answer.Silo}, ")
        + FormattableString.Invariant($"seen {answer.Age.TotalSeconds:0.0} s ago in Redis at {redis}), ")
        + $"and Actors:ClusterId of this silo is {WellFormedText.Quote(_clusterId)}. Stop that cluster first, or give this one another "
        + $"Actors:ServiceId. A cluster that was killed counts as alive for {LapsesAfter.TotalSeconds:0} s.";

    [LoggerMessage(EventId = 1300, Level = LogLevel.Information, Message =
        "The cluster '{Other}' used the service id {Service} and was last seen {Age} ago. Waiting {Grace} for it to return, then replacing it")]
    private static partial void LogSilent(ILogger logger, string other, string service, TimeSpan age, TimeSpan grace);

    [LoggerMessage(EventId = 1301, Level = LogLevel.Error, Message =
        "Another cluster, '{Other}' (silo {Silo}), uses the service id {Service} at the same time. " +
        "Stop one of them, because each takes over the rows of the other")]
    private static partial void LogBoth(ILogger logger, string other, string? silo, string service);

    [LoggerMessage(EventId = 1302, Level = LogLevel.Critical, Message =
        "This silo lost contact with Redis and another cluster took over its service id; stopping. {Reason}")]
    private static partial void LogLost(ILogger logger, string reason);

    [LoggerMessage(EventId = 1303, Level = LogLevel.Warning, Message = "This silo could not record that it uses its service id; retrying")]
    private static partial void LogFailed(ILogger logger, Exception error);
}
