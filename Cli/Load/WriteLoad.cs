using System.Globalization;
using System.Text.Json;
using Actors.Cli.Commands;
using Actors.Cli.Connection;

namespace Actors.Cli.Load;

/// <summary>What a write load is to do.</summary>
/// <param name="Users">How many users are written to.</param>
/// <param name="Concurrency">How many of them at the same time.</param>
/// <param name="Durabilities">What writes ask for: each for one of these, at random.</param>
/// <param name="Prefix">Users are named by this and a number.</param>
/// <param name="Rate">Writes begun per second; null where each caller writes again once it was answered.</param>
/// <param name="HasRequestIds">
/// Name each write, repeat it until its receipt is known, and demand exact counters in the ledger.
/// </param>
internal sealed record WriteLoadPlan(
    int Users, int Concurrency, IReadOnlyList<Durability> Durabilities, string Prefix, int? Rate, bool HasRequestIds);

/// <summary>
/// Writes to users, at a rate or as fast as the cluster acknowledges. Each user belongs to one worker, and each write sets a value that
/// never occurred before: so the ledger can say of every acknowledged version exactly what it must hold.
/// </summary>
internal sealed class WriteLoad(ICluster cluster, WriteLoadPlan plan, LoadMeter meter, LedgerWriter<LedgerEntry>? ledger, TimeProvider time)
{
    /// <summary>The attribute that carries the unique value.</summary>
    public const string Attribute = "load";

    /// <summary>The counter each write adds one to.</summary>
    public const string Counter = "writes";

    private const int AttemptsPerRequest = 10;
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly Retry _retry = new(time, AttemptsPerRequest);
    private readonly Pace _pace = new(plan.Rate, time);

    /// <summary>Tells the values of this run from those of any other.</summary>
    public string Run { get; } = Guid.NewGuid().ToString("N")[..12];

    /// <summary>Runs until told to stop; a write in flight then is still waited for, so that its receipt is in the ledger.</summary>
    public Task RunAsync(CancellationToken stop)
    {
        var workers = Math.Min(plan.Concurrency, plan.Users);
        return Task.WhenAll(Enumerable.Range(0, workers)
            .Select(worker => Task.Run(() => WorkAsync(worker, workers, stop), CancellationToken.None)));
    }

    private async Task WorkAsync(int worker, int workers, CancellationToken stop)
    {
        // Counters as they must be by the receipts so far; a user whose count is not known is not in it.
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
            // Whether this write took effect is not known, and so neither is the count.
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

    /// <summary>A cluster that refuses writes at once would otherwise be asked thousands of times a second.</summary>
    private async Task PauseAsync(Exception exception, CancellationToken stop)
    {
        var pause = exception is OverloadedException overloaded ? overloaded.RetryAfter : PauseAfterFailure;
        pause = TimeSpan.FromTicks(Math.Clamp(pause.Ticks, PauseAfterFailure.Ticks, LongestPause.Ticks));
        await Task.Delay(pause * (0.5 + Random.Shared.NextDouble()), time, stop)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
