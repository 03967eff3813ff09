using System.Globalization;
using Actors.Cli.Commands;
using Actors.Cli.Connection;

namespace Actors.Cli.Load;

/// <summary>The parameters of a limiter load.</summary>
/// <param name="Clients">The number of clients; each call is for a random one.</param>
/// <param name="Concurrency">The maximum number of calls in flight.</param>
/// <param name="Policy">The policy to charge.</param>
/// <param name="MostPermits">The permits of a call.</param>
/// <param name="HasRandomPermits">Each call asks for 1 to <paramref name="MostPermits"/>.</param>
/// <param name="Wait">How long a call may wait for its turn.</param>
/// <param name="Prefix">The prefix of client names; a number follows.</param>
/// <param name="WaitsOnDenial">A denied caller waits for the delay of the denial; otherwise it calls again at once.</param>
/// <param name="Rate">Calls started per second; null if each caller calls again after its answer.</param>
/// <param name="HasRequestIds">Give each call a request id and repeat it until its answer is known.</param>
internal sealed record LimitLoadPlan(
    int Clients, int Concurrency, string Policy, int MostPermits, bool HasRandomPermits, TimeSpan Wait, string Prefix,
    bool WaitsOnDenial, int? Rate, bool HasRequestIds);

/// <summary>
/// Acquires permits from limiters and records every grant with the time before and after its call. The ledger can then be
/// checked against the limits, on the Redis clock and on its own clock.
/// </summary>
internal sealed class LimitLoad(
    ICluster cluster, LimitLoadPlan plan, LoadMeter meter, DecisionMeter decisions, LedgerWriter<GrantEntry>? ledger, TimeProvider time)
{
    private const int AttemptsPerRequest = 10;
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly Retry _retry = new(time, AttemptsPerRequest);
    private readonly string _run = Guid.NewGuid().ToString("N")[..12];
    private readonly Pace _pace = new(plan.Rate, time);

    /// <summary>Runs until stopped, then waits for calls in flight, so that their grants are in the ledger.</summary>
    public Task RunAsync(CancellationToken stop) => Task.WhenAll(Enumerable.Range(0, plan.Concurrency)
        .Select(worker => Task.Run(() => WorkAsync(worker, stop), CancellationToken.None)));

    private async Task WorkAsync(int worker, CancellationToken stop)
    {
        for (var sequence = 0L; !stop.IsCancellationRequested; sequence++)
        {
            var started = await _pace.NextAsync(stop);
            if (stop.IsCancellationRequested)
                return;
            await AcquireAsync(started, plan.HasRequestIds ? $"{_run}-{worker}-{sequence}" : null, stop);
        }
    }

    private async Task AcquireAsync(long started, string? requestId, CancellationToken stop)
    {
        var client = plan.Prefix + Random.Shared.Next(plan.Clients).ToString(CultureInfo.InvariantCulture);
        var request = new RateLimitRequest
        {
            Policy = plan.Policy,
            Permits = plan.HasRandomPermits ? Random.Shared.Next(1, plan.MostPermits + 1) : plan.MostPermits,
            MaxWait = plan.Wait,
            RequestId = requestId,
        };
        try
        {
            var limiter = cluster.Limiter(client);
            var began = Seconds();
            var decision = requestId is null
                ? await limiter.AcquireAsync(request, CancellationToken.None)
                : await _retry.RunAsync(() => limiter.AcquireAsync(request, CancellationToken.None), stop);
            var ended = Seconds();
            meter.Success(started, decisions.Note(decision, request.Permits));

            // A shadow denial was not charged, so it is not a grant.
            if (ledger is not null && decision is { IsAllowed: true, IsShadowDenial: false })
                await ledger.AddAsync(new(client, plan.Policy, request.Permits, decision.DecidedAt, decision.Source, began, ended));
            if (!decision.IsAllowed && plan is { WaitsOnDenial: true, Rate: null })
                await PauseAsync(decision.RetryAfter, ShortestPause, stop);
        }
        catch (Exception e) when (e is not IOException and not InvalidRateLimitException)
        {
            if (stop.IsCancellationRequested && e is OperationCanceledException)
            {
                meter.Abandon();
                return;
            }
            meter.Failure(started, e);
            await PauseAsync(e is OverloadedException overloaded ? overloaded.RetryAfter : PauseAfterFailure, PauseAfterFailure, stop);
        }
    }

    /// <summary>Jitter spreads callers that were denied at the same time.</summary>
    private async Task PauseAsync(TimeSpan pause, TimeSpan least, CancellationToken stop)
    {
        pause = TimeSpan.FromTicks(Math.Clamp(pause.Ticks, least.Ticks, LongestPause.Ticks));
        await Task.Delay(pause * (1 + (Random.Shared.NextDouble() / 2)), time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private double Seconds() => time.GetTimestamp() / (double)time.TimestampFrequency;
}
