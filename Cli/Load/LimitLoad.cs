using System.Globalization;
using Actors.Cli.Commands;
using Actors.Cli.Connection;

namespace Actors.Cli.Load;

/// <summary>What a load of limits is to do.</summary>
/// <param name="Clients">How many clients ask; each call is of one at random.</param>
/// <param name="Concurrency">Calls in flight at most.</param>
/// <param name="Policy">The policy that is charged.</param>
/// <param name="MostPermits">Permits of a call.</param>
/// <param name="HasRandomPermits">Each call asks for 1 to <paramref name="MostPermits"/>.</param>
/// <param name="Wait">How long a call waits for its turn.</param>
/// <param name="Prefix">Clients are named by this and a number.</param>
/// <param name="WaitsOnDenial">A caller that is denied waits for as long as the denial says; else it calls again at once.</param>
/// <param name="Rate">Calls begun per second; null where each caller calls again once it was answered.</param>
/// <param name="HasRequestIds">Name each call, and repeat it until its answer is known.</param>
internal sealed record LimitLoadPlan(
    int Clients, int Concurrency, string Policy, int MostPermits, bool HasRandomPermits, TimeSpan Wait, string Prefix,
    bool WaitsOnDenial, int? Rate, bool HasRequestIds);

/// <summary>
/// Asks limiters for permits, and notes down every grant with the times between which it was given: so the ledger can be
/// held against the limits, by the clock of Redis and by one of its own.
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

    /// <summary>Runs until told to stop; a call in flight then is still waited for, so that its grant is in the ledger.</summary>
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

            // What only shadow mode let pass was not charged, so it is no grant.
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

    /// <summary>With jitter, so that callers that were denied at once do not come back at once.</summary>
    private async Task PauseAsync(TimeSpan pause, TimeSpan least, CancellationToken stop)
    {
        pause = TimeSpan.FromTicks(Math.Clamp(pause.Ticks, least.Ticks, LongestPause.Ticks));
        await Task.Delay(pause * (1 + (Random.Shared.NextDouble() / 2)), time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private double Seconds() => time.GetTimestamp() / (double)time.TimestampFrequency;
}
