using System.Globalization;
using Actors.Harness.Limits;

namespace Actors.Harness.Trials;

/// <summary>
/// Callers in several processes that together always exceed the limits of the same clients, and the fault-free intervals of
/// their run.
/// </summary>
internal sealed class LimitLoads : IDisposable
{
    // Longer than the queue of any client, so no call is denied because its turn comes too late.
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(19);

    // Three times the permits of four clients.
    private const int CallsPerSecond = 1_500;

    // The maximum of the command line; most of them are idle.
    private const int MostCallers = 10_000;

    private readonly LoadSet _loads;
    private readonly LimitPlan _plan;
    private readonly List<Steady> _steady = [];

    private LimitLoads(LoadSet loads, LimitPlan plan) => (_loads, _plan) = (loads, plan);

    /// <summary>The environments of two processes: the calls of the first travel together, those of the second alone.</summary>
    public static IReadOnlyDictionary<string, string>[] TwoProcesses { get; } = [LoadOptions.Together, new Dictionary<string, string>()];

    public IReadOnlyList<LoadRun> Loads => _loads.Loads;

    /// <summary>The time of Redis, which runs on this machine, in microseconds.</summary>
    public static long Now => (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    /// <summary>
    /// Starts the loads and returns once all are running. Callers wait at a random client, and far more wait than there are
    /// clients, so that hardly any client is ever idle.
    /// </summary>
    /// <param name="deployment">The deployment.</param>
    /// <param name="plan">The policy.</param>
    /// <param name="tag">The prefix of load and client names.</param>
    /// <param name="clients">The number of clients.</param>
    /// <param name="callers">The number of callers over all processes.</param>
    /// <param name="environments">Additional environment variables; one process for each item.</param>
    public static Task<LimitLoads> StartAsync(
        Deployment deployment, LimitPlan plan, string tag, int clients, int callers, params IReadOnlyDictionary<string, string>[] environments) =>
        StartAsync(deployment, plan, tag, clients, environments, new(plan.Policy, Wait), callers / environments.Length, rate: null);

    /// <summary>
    /// Like the other overload, but calls do not wait: a fixed number starts per second, several times the possible grants. Two
    /// reasons: a caller that waits gets its response late, so its clock says little about the grant time; and calls lost in a
    /// fault hang until their timeout, during which a waiting caller makes no demand.
    /// </summary>
    public static Task<LimitLoads> StartAtRateAsync(
        Deployment deployment, LimitPlan plan, string tag, int clients, params IReadOnlyDictionary<string, string>[] environments) => StartAsync(
        deployment, plan, tag, clients, environments, new(plan.Policy, TimeSpan.Zero), MostCallers, CallsPerSecond / environments.Length);

    /// <summary>Runs the loads for an interval in which the full allowance must be granted.</summary>
    /// <param name="name">The name of the interval in the report.</param>
    /// <param name="isAfterFault">Whether grants without a response may still fill windows; these then expire first.</param>
    public async Task SteadyAsync(string name, bool isAfterFault = false)
    {
        if (isAfterFault) await Task.Delay(_plan.Longest);
        var from = Now;
        await Task.Delay(_plan.Steady);
        _steady.Add(new(name, from, Now) { LeastShare = _plan.LeastShare });
    }

    /// <summary>Ends the loads and compares their grants with the limits.</summary>
    public async Task<(IReadOnlyList<LoadResult> Results, LimitReport Report)> StopAsync(Action<string> tell)
    {
        var results = await _loads.StopAsync(tell);
        return (results, LimitCheck.Run([.. results.Select(result => GrantLedger.Read(result.Ledger))], _plan.Windows, _steady));
    }

    /// <summary>The failed calls as findings.</summary>
    public static IEnumerable<string> Failures(IEnumerable<LoadResult> results) =>
        results.Where(load => load.Failed > 0).Select(load => $"calls failed: {load}");

    /// <summary>The number of grants made without Redis in an interval.</summary>
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

    /// <summary>An interval in seconds, for people.</summary>
    public static string Seconds(long from, long until) => string.Create(CultureInfo.InvariantCulture, $"{(until - from) / 1e6:0.0} s");

    /// <inheritdoc/>
    public void Dispose() => _loads.Dispose();
}
