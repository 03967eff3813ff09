using Actors.Harness.Trials;

namespace Actors.Fault.Tests;

/// <summary>A silo that was frozen for a while: a shortened trial of tests/Soak.</summary>
public sealed class FrozenSiloTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Resumed_silo_that_was_declared_dead_answers_nothing_from_memory()
    {
        await using var deployment = await Deployment.StartAsync(silos: 2);
        var verdict = (FreezeVerdict)await FreezeTrial.RunAsync(deployment, new(Outage: TimeSpan.FromSeconds(24)), output.WriteLine);
        output.WriteLine(verdict.ToString());
        Assert.True(verdict.IsClean, $"{verdict}\n{deployment.Describe()}");

        // Otherwise its users never had another owner.
        Assert.Equal(1, verdict.Deaths);
    }
}
