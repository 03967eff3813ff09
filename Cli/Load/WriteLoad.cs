using System.Globalization;
using System.Text.Json;
using Actors.Cli.Commands;
using Actors.Cli.Connection;

namespace Actors.Cli.Load;

/// <summary>The parameters of a write load.</summary>
/// <param name="Users">The number of users.</param>
/// <param name="Concurrency">The number of concurrent writes.</param>
/// <param name="Durabilities">The durabilities to choose from at random.</param>
/// <param name="Prefix">The prefix of user names; a number follows.</param>
/// <param name="Rate">Writes started per second; null if each caller writes again after its receipt.</param>
/// <param name="HasRequestIds">
/// Give each write a request id, repeat it until its receipt is known, and require exact counters in the ledger.
/// </param>
internal sealed record WriteLoadPlan(
    int Users, int Concurrency, IReadOnlyList<Durability> Durabilities, string Prefix, int? Rate, bool HasRequestIds);

/// <summary>
/// Writes to users at a rate or as fast as the cluster acknowledges. Each user belongs to one worker and each write sets a
/// unique value, so the ledger has the exact state of every acknowledged version.
/// </summary>
internal sealed class WriteLoad(ICluster cluster, WriteLoadPlan plan, LoadMeter meter, LedgerWriter<LedgerEntry>? ledger, TimeProvider time)
{
    /// <summary>The attribute with the unique value.</summary>
    public const string Attribute = "load";

    /// <summary>The counter that each write increments.</summary>
    public const string Counter = "writes";

    private const int AttemptsPerRequest = 10;
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly Retry _retry = new(time, AttemptsPerRequest);
    private readonly Pace _pace = new(plan.Rate, time);

    /// <summary>Distinguishes the values of this run from those of others.</summary>
    public string Run { get; } = Guid.NewGuid().ToString("N")[..12];

    /// <summary>Runs until stopped, then waits for writes in flight, so that their receipts are in the ledger.</summary>
    public Task RunAsync(CancellationToken stop)
    {
        var workers = Math.Min(plan.Concurrency, plan.Users);
        return Task.WhenAll(Enumerable.Range(0, workers)
            .Select(worker => Task.Run(() => WorkAsync(worker, workers, stop), CancellationToken.None)));
    }

    private async Task WorkAsync(int worker, int workers, CancellationToken stop)
    {
        // The counters according to the receipts so far. Users with an unknown count are missing.
        var counts = new Dictionary<int, long>();
        for (var sequence = 0L; !stop.IsCancellationRequested;)
        {
            for (var user = worker; user < plan.Users && !stop.IsCancellationRequested; user += workers)
                await WriteAsync(user, $"{Run}-{worker}-{sequence++}", counts, stop);
        }
    }

    private async Task WriteAsync(int number, string token, Dictionary<int, long> counts, CancellationToken stop)
    {
        var id = plan.Prefix + number.ToString(CultureInfo.InvariantCulture);
        var patch = new UserPatch
        {
            Attributes = new() { [Attribute] = token },
            Increment = new() { [Counter] = 1 },
        };
        var durability = plan.Durabilities[Random.Shared.Next(plan.Durabilities.Count)];
        var options = new WriteOptions { Durability = durability, RequestId = plan.HasRequestIds ? token : null };
        var started = await _pace.NextAsync(stop);
        if (stop.IsCancellationRequested)
            return;
        try
        {
            var user = cluster.User(id);
            if (plan.HasRequestIds && !counts.ContainsKey(number))
                counts[number] = (await user.GetAsync(CancellationToken.None))?.Counters.GetValueOrDefault(Counter) ?? 0;

            if (plan.Rate is null)
                started = meter.Start();
            var receipt = plan.HasRequestIds
                ? await _retry.RunAsync(() => user.UpdateAsync(patch, options, CancellationToken.None), stop)
                : await user.UpdateAsync(patch, options, CancellationToken.None);
            meter.Success(started, receipt.Durability);
            long? count = plan.HasRequestIds ? ++counts[number] : null;
            if (ledger is not null)
                await ledger.AddAsync(new(id, receipt.Version, receipt.Durability, State(token, count)));
        }
        catch (Exception e) when (e is not IOException)
        {
            // The write may have taken effect, so the count is unknown.
            counts.Remove(number);
            if (stop.IsCancellationRequested && e is OperationCanceledException)
            {
                meter.Abandon();
                return;
            }
            meter.Failure(started, e);
            await PauseAsync(e, stop);
        }
    }

    private static byte[] State(string token, long? count)
    {
        var state = new Dictionary<string, object> { ["attributes"] = new Dictionary<string, string> { [Attribute] = token } };
        if (count is not null)
            state["counters"] = new Dictionary<string, long> { [Counter] = count.Value };
        return JsonSerializer.SerializeToUtf8Bytes(state);
    }

    /// <summary>Backs off when the cluster refuses writes at once.</summary>
    private async Task PauseAsync(Exception exception, CancellationToken stop)
    {
        var pause = exception is OverloadedException overloaded ? overloaded.RetryAfter : PauseAfterFailure;
        pause = TimeSpan.FromTicks(Math.Clamp(pause.Ticks, PauseAfterFailure.Ticks, LongestPause.Ticks));
        await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), time, stop)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
