using Actors.Harness.Limits;

namespace Actors.Fault.Tests.Limits;

/// <summary>
/// Histories of a wrong limiter: the real history of a load, with some grants changed as that defect would leave them. The
/// expected check must find each of them; cases just within the limit must pass.
/// </summary>
public sealed class LimitMutantTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string ByServer = "permits by server time";
    private const string ByCaller = "permits by the caller's clock";
    private const string HeldBack = "too little granted";
    private static readonly LimitWindow Burst = Grants.Window(40, 0.5);
    private static readonly LimitWindow Long = Grants.Window(100, 2);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(12);
    private static readonly LimitWindow[] Windows = [Burst, Long];

    private Deployment _deployment = null!;

    public async ValueTask InitializeAsync() =>
        _deployment = await Deployment.StartAsync(silos: 1, new(Settings: LimitWindow.SettingsOf("mutants", Windows)));

    public ValueTask DisposeAsync() => _deployment.DisposeAsync();

    [Fact]
    public async Task Each_defect_is_detected()
    {
        var history = await RecordAsync();

        // A busy machine may have delayed callers; the mutants below lack at least a third.
        var steady = new Steady("all", history[0].At, history[^1].At) { LeastShare = 0.8 };
        var clean = LimitCheck.Run([new(history)], Windows, steady);
        output.WriteLine(clean.ToString());
        Assert.True(clean.IsClean, clean.ToString());
        Assert.True(history.Count > 60, clean.ToString());

        // A grant at which the window is full or almost full, and the grant that just left it.
        var full = Enumerable.Range(1, history.Count - 1).First(last =>
            history[last].At > history[0].At + (2 * Micro(Long)) && Before(last, Long) == Long.Limit);
        var window = history.Where(grant => grant.At > history[full].At - Micro(Long) && grant.At <= history[full].At).ToList();

        // A grant that came as soon as another left: a microsecond earlier it would exceed the limit.
        var (leaving, entering) = Enumerable.Range(1, history.Count - 1)
            .Select(entering => (Leaving: history.Last(grant => grant.At <= history[entering].At - Micro(Long) || grant == history[0]), Entering: entering))
            .First(pair => history[pair.Entering].At - pair.Leaving.At >= Micro(Long)
                && WithoutIt(pair.Entering, pair.Leaving.At + Micro(Long) - 1) + history[pair.Entering].Permits > Long.Limit);
        var boundary = leaving.At + Micro(Long);

        // An extra grant in a full window: a race, or two grants counted as one.
        Finds([ByServer], [.. history, window[window.Count / 2] with { Permits = 1 }]);
        Finds([ByServer, ByCaller], [.. history, .. window]);

        // One permit more than was charged.
        Finds([ByServer], Changed(full, grant => grant with { Permits = grant.Permits + 1 }));

        // A microsecond over the boundary, and exactly on it.
        Finds([ByServer], Changed(entering, grant => grant with { At = boundary - 1 }));
        Assert.DoesNotContain(Run(Changed(entering, grant => grant with { At = boundary })).Findings, finding => finding.StartsWith(Long.ToString(), StringComparison.Ordinal));

        // A second budget after an outage: another silo grants a window's permits again.
        Finds([ByServer, ByCaller], [.. history, .. window.Select(grant => grant with
        {
            At = grant.At + 1_000, Source = "local", Began = grant.Began + 0.001, Ended = grant.Ended + 0.001,
        })]);

        // A fast clock: exact by its own time, but the caller's clock shows the error.
        Finds([ByCaller], [.. history.Select(grant => grant with { Began = grant.Began * 0.8, Ended = grant.Ended * 0.8 })]);

        // Decision times later than the response.
        Finds([ByServer], [.. history.Select((grant, index) => index % 2 == 0 ? grant with { At = grant.At + (Micro(Burst) / 2) } : grant)]);

        // Needless denials: the grants of every third window are missing, or all of the last seconds.
        Finds([HeldBack], [.. history.Where(grant => (grant.At - history[0].At) / Micro(Long) % 3 != 1)]);
        Finds([HeldBack], [.. history.Where(grant => grant.At < history[^1].At - (2 * Micro(Long)))]);

        // Windows that differ from the policy.
        Assert.False(LimitCheck.Run([new(history)], [Long with { Limit = Long.Limit - 1 }]).IsClean);
        Assert.False(LimitCheck.Run([new(history)], [Long with { Duration = 1.5 * Long.Duration }]).IsClean);

        long Before(int last, LimitWindow limit) => history
            .Where((grant, index) => index <= last && grant.At > history[last].At - Micro(limit)).Sum(grant => (long)grant.Permits);

        long WithoutIt(int index, long end) => history
            .Where((grant, i) => i != index && grant.At > end - Micro(Long) && grant.At <= end).Sum(grant => (long)grant.Permits);

        List<Grant> Changed(int index, Func<Grant, Grant> change) => [.. history.Select((grant, i) => i == index ? change(grant) : grant)];

        LimitReport Run(List<Grant> mutant) => LimitCheck.Run([new(mutant)], Windows, steady);

        void Finds(string[] expected, List<Grant> mutant)
        {
            var report = Run(mutant);
            Assert.All(expected, finding => Assert.Contains(report.Findings, found => found.Contains(finding, StringComparison.Ordinal)));
        }
    }

    /// <summary>The grants of one client, ordered by time.</summary>
    private async Task<List<Grant>> RecordAsync()
    {
        using var load = _deployment.StartLoad(new("mutants")
        {
            // Calls wait briefly, so the callers' clocks bound the time of each grant closely.
            Limits = new("mutants", TimeSpan.Zero, Spins: true),
            Users = 1,
            Concurrency = 8,
        });
        await load.SucceededAsync(1);
        await Task.Delay(Duration);
        var result = await load.StopAsync();
        output.WriteLine(result.ToString());
        return [.. GrantLedger.Read(result.Ledger).Grants.OrderBy(grant => grant.At)];
    }

    private static long Micro(LimitWindow window) => window.Duration.Ticks / TimeSpan.TicksPerMicrosecond;
}
