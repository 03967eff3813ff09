using System.Globalization;
using Actors.Harness.Limits;

namespace Actors.Harness.Trials;

/// <summary>
/// Callers in several processes that together always want more of the same clients than their limits allow, and the parts
/// of their run in which nothing was wrong.
/// </summary>
internal sealed class LimitLoads : IDisposable
{
    // Longer than the queue of any client: nobody is denied for that its turn comes too late.
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(19);

    // Three times what the limits of four clients grant.
    private const int CallsPerSecond = 1_500;

    // As many as the command line takes; most of them have nothing to do.
    private const int MostCallers = 10_000;

    private readonly LoadSet _loads;
    private readonly LimitPlan _plan;
    private readonly List<Steady> _steady = [];

    private LimitLoads(LoadSet loads, LimitPlan plan) => (_loads, _plan) = (loads, plan);

    /// <summary>The environments of two processes that differ in nothing.</summary>
    public static IReadOnlyDictionary<string, string>[] TwoProcesses { get; } = [new Dictionary<string, string>(), new Dictionary<string, string>()];

    /// <summary>The loads.</summary>
    public IReadOnlyList<LoadRun> Loads => _loads.Loads;

    /// <summary>The time by the clock of Redis, which runs on this machine, in microseconds.</summary>
    public static long Now => (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    /// <summary>
    /// Starts the loads and returns once all are under way. Callers wait for their turn at a client chosen at random, and many
    /// more wait than there are clients, so that hardly ever a client is left without any.
    /// </summary>
    /// <param name="deployment">Where.</param>
    /// <param name="plan">The policy.</param>
    /// <param name="tag">What the names of loads and clients begin with.</param>
    /// <param name="clients">How many clients.</param>
    /// <param name="callers">How many callers, over all processes.</param>
    /// <param name="environments">What each process finds in its environment besides; one process for each.</param>
    public static Task<LimitLoads> StartAsync(
        Deployment deployment, LimitPlan plan, string tag, int clients, int callers, params IReadOnlyDictionary<string, string>[] environments) =>
        StartAsync(deployment, plan, tag, clients, environments, new(plan.Policy, Wait), callers / environments.Length, rate: null);

    /// <summary>
    /// As the other one does, but calls do not wait: so many are begun per second, several times what can be granted. For two
    /// reasons: callers who wait are answered long after they asked, and then their own clocks say little of when they were
    /// granted; and what a fault takes with it hangs until its time limit, and whoever waits for that asks for nothing.
    /// </summary>
    public static Task<LimitLoads> StartAtRateAsync(
        Deployment deployment, LimitPlan plan, string tag, int clients, params IReadOnlyDictionary<string, string>[] environments) => StartAsync(
        deployment, plan, tag, clients, environments, new(plan.Policy, TimeSpan.Zero), MostCallers, CallsPerSecond / environments.Length);

    /// <summary>Lets the loads run for a while in which as much must come as the limits allow.</summary>
    /// <param name="name">What it is called in the report.</param>
    /// <param name="isAfterFault">Whether what was granted to callers who never heard of it may still fill windows; then they pass first.</param>
    public async Task SteadyAsync(string name, bool isAfterFault = false)
    {
        if (isAfterFault) await Task.Delay(_plan.Longest);
        var from = Now;
        await Task.Delay(_plan.Steady);
        _steady.Add(new(name, from, Now) { LeastShare = _plan.LeastShare });
    }

    /// <summary>Ends the loads, and holds what they were granted against the limits.</summary>
    public async Task<(IReadOnlyList<LoadResult> Results, LimitReport Report)> StopAsync(Action<string> tell)
    {
        var results = await _loads.StopAsync(tell);
        return (results, LimitCheck.Run([.. results.Select(result => GrantLedger.Read(result.Ledger))], _plan.Windows, _steady));
    }

    /// <summary>The calls that failed, as findings.</summary>
    public static IEnumerable<string> Failures(IEnumerable<LoadResult> results) =>
        results.Where(load => load.Failed > 0).Select(load => $"calls failed: {load}");

    /// <summary>How many grants were made without Redis in a time.</summary>
    public static long Local(IEnumerable<LoadResult> results, long from, long until) => results
        .SelectMany(result => GrantLedger.Read(result.Ledger).Grants)
        .Count(grant => grant.Source == "local" && grant.At >= from && grant.At <= until);

    private static async Task<LimitLoads> StartAsync(
        Deployment deployment, LimitPlan plan, string tag, int clients, IReadOnlyDictionary<string, string>[] environments, LimitLoad limits, int callers,
        int? rate)
    {
        var loads = environments.Select((environment, index) => new LoadOptions($"{tag}-{index}")
        {
            Limits = limits,
            Users = clients,
            Concurrency = callers,
            Rate = rate,
            Prefix = $"{tag}-",
            Environment = environment,
        });
        return new(await LoadSet.StartAsync(deployment, [.. loads]), plan);
    }

    /// <summary>Seconds, for people.</summary>
    public static string Seconds(long from, long until) => string.Create(CultureInfo.InvariantCulture, $"{(until - from) / 1e6:0.0} s");

    /// <inheritdoc/>
    public void Dispose() => _loads.Dispose();
}
