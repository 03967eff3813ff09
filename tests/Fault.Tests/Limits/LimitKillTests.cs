using Actors.Harness.Trials;

namespace Actors.Fault.Tests.Limits;

/// <summary>
/// Like <see cref="LimitTests"/>, with killed silos. Separate, because it waits a minute at the end for the timeouts of calls
/// to the killed silos.
/// </summary>
public sealed class LimitKillTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Limits_hold_while_silos_are_killed()
    {
        await using var deployment = await Deployment.StartAsync(silos: 2, new(Settings: LimitPlan.PatientSettings));
        await LimitTests.TryAsync(deployment, LimitKillTrial.RunAsync, output);
    }
}
