using Actors.Redis;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;

namespace Actors.Membership;

/// <summary>
/// Keeps a second cluster with the same service id from starting while one is alive: it would take the first one's silos for
/// gone, and take over their rows. Each silo records itself in every Redis that holds actors' data, once a second.
/// </summary>
internal sealed partial class ClusterClaims : ILifecycleParticipant<ISiloLifecycle>, IDisposable
{
    /// <summary>How long after it was last seen a silo counts as alive.</summary>
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    // Longer than silos take to find a Redis that is back: a probe at least every 5 s.
    private static readonly TimeSpan SilentGrace = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReleaseLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan SayEvery = TimeSpan.FromSeconds(30);

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

    /// <summary>Why this silo stopped by itself: another cluster had taken over. Null if it did not.</summary>
    public string? LostTo => _lostTo;

    private TimeSpan LapsesAfter { get; }

    public void Participate(ISiloLifecycle observer)
    {
        // Before the membership table is touched, and once more before it is active: a cluster whose Redis was emptied a
        // moment ago has recorded itself again by then, since a silo that finds an empty table waits for it.
        // It ends after the queue is drained.
        observer.Subscribe(nameof(ClusterClaims), ServiceLifecycleStage.RuntimeStorageServices - 1, BeginAsync, async _ =>
        {
            await StopAsync();
            await ReleaseAsync();
        });
        observer.Subscribe(nameof(ClusterClaims), ServiceLifecycleStage.BecomeActive - 1, JoinAsync);
    }

    // Also after a start that failed, when nobody stops it. The loop may still look at it, and it holds nothing that must be freed.
    public void Dispose() => _stop.Cancel();

    /// <summary>Records this silo as one that starts.</summary>
    /// <exception cref="ServiceInUseException">Another cluster is alive.</exception>
    public async Task BeginAsync(CancellationToken cancellationToken)
    {
        foreach (var (claim, redis) in _claims) await TakeAsync(claim, ClaimStep.Begin, redis, cancellationToken);
    }

    /// <summary>Records this silo as a member from now on.</summary>
    /// <exception cref="ServiceInUseException">Another cluster is alive.</exception>
    public async Task JoinAsync(CancellationToken cancellationToken)
    {
        foreach (var (claim, redis) in _claims) await TakeAsync(claim, ClaimStep.Join, redis, cancellationToken);
        _keeping = Task.WhenAll(_claims.Select(each => Task.Run(() => KeepAsync(each.Claim, each.Redis), CancellationToken.None)));
    }

    /// <summary>Stops recording it.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _keeping;
    }

    /// <summary>Takes it out of the record.</summary>
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
                // It counts as alive until the bound.
            }
        }
    }

    // Waits for a Redis that is away, as all of the start does.
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
                // Its circuit says so in the log, and goes on trying.
            }

            await Task.Delay(Every / 2, _time, cancellationToken);
        }
    }

    private async Task KeepAsync(ClusterClaim claim, string redis)
    {
        var (recorded, said) = (_time.GetTimestamp(), 0L);
        try
        {
            while (true)
            {
                await Task.Delay(Every, _time, _stop.Token);
                try
                {
                    // Out of touch for so long, another cluster may have taken over, and rightly so.
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
                    if (answer.Other is not null && (said == 0 || _time.GetElapsedTime(said) >= SayEvery))
                    {
                        said = _time.GetTimestamp();
                        LogBoth(_logger, answer.Other, answer.Silo, _serviceId);
                    }
                }
                catch (RedisUnavailableException)
                {
                    // With the next round.
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
        $"Actors:ServiceId {_serviceId} is in use by the cluster {WellFormedText.Quote(answer.Other ?? "")} (silo {answer.Silo}, seen {answer.Age.TotalSeconds:0.0} s ago in Redis at {redis}), and Actors:ClusterId of this silo is {WellFormedText.Quote(_clusterId)}. ")
        + $"Stop that cluster first, or give this one another Actors:ServiceId. A cluster that was killed counts as alive for {LapsesAfter.TotalSeconds:0} s.";

    [LoggerMessage(Level = LogLevel.Information, Message =
        "The cluster '{Other}' used the service id {Service} and was last seen {Age} ago. Giving it {Grace} to come back, then replacing it")]
    private static partial void LogSilent(ILogger logger, string other, string service, TimeSpan age, TimeSpan grace);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "Another cluster, '{Other}' (silo {Silo}), uses the service id {Service} at the same time. Stop one of them: each takes over the rows of the other")]
    private static partial void LogBoth(ILogger logger, string other, string? silo, string service);

    [LoggerMessage(Level = LogLevel.Critical, Message = "This silo was out of touch with Redis and its service id was taken over; stopping. {Why}")]
    private static partial void LogLost(ILogger logger, string why);

    [LoggerMessage(Level = LogLevel.Warning, Message = "This silo could not be recorded as one that uses its service id; trying again")]
    private static partial void LogFailed(ILogger logger, Exception error);
}
