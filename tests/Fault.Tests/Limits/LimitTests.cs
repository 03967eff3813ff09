using Actors.Harness.Trials;

namespace Actors.Fault.Tests.Limits;

/// <summary>
/// Limits under load and Redis outages: a shortened trial of tests/Soak. Trials of one hot client, of wrong clocks and of
/// silos that leave and join run only there.
/// </summary>
public sealed class LimitTests(LimitTests.TwoSilos cluster, ITestOutputHelper output) : IClassFixture<LimitTests.TwoSilos>
{
    [Fact]
    public Task Limits_hold_during_a_Redis_outage_and_after_it_even_if_data_is_lost() => TryAsync(LimitRedisTrial.RunAsync);

    private Task TryAsync(Func<Deployment, TrialOptions, Action<string>, Task<Verdict>> trial) => TryAsync(cluster.Deployment, trial, output);

    /// <summary>Runs a short trial and asserts that it has no findings.</summary>
    internal static async Task TryAsync(
        Deployment deployment, Func<Deployment, TrialOptions, Action<string>, Task<Verdict>> trial, ITestOutputHelper output)
    {
        var verdict = await trial(deployment, new(Outage: TimeSpan.FromSeconds(4), IsShort: true), output.WriteLine);
        output.WriteLine(verdict.ToString());
        Assert.True(verdict.IsClean, $"{verdict}\n{deployment.Describe()}");
    }

    public sealed class TwoSilos : IAsyncLifetime
    {
        public Deployment Deployment { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Deployment = await Deployment.StartAsync(silos: 2, new(Settings: LimitPlan.Settings));

        public ValueTask DisposeAsync() => Deployment.DisposeAsync();
    }
}
