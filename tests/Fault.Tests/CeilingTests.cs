using Actors.Harness.Trials;

namespace Actors.Fault.Tests;

/// <summary>PostgreSQL is away until a silo refuses writes: a shortened trial of tests/Soak.</summary>
public sealed class CeilingTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Once_the_ceiling_is_reached_writes_are_refused_in_words_and_nothing_is_lost()
    {
        await using var deployment = await Deployment.StartAsync(silos: 1, new(Settings: CeilingTrial.SettingsOf(mebibytes: 1)));
        var verdict = await CeilingTrial.RunAsync(deployment, new(Users: 6_000, Outage: TimeSpan.FromSeconds(8)), output.WriteLine);
        output.WriteLine(verdict.ToString());
        Assert.True(verdict.IsClean, $"{verdict}\n{deployment.Describe()}");
    }
}
