using Actors.Harness.Trials;

namespace Actors.Fault.Tests.Limits;

/// <summary>
/// As <see cref="LimitTests"/>, with silos killed; by itself, since at the end it does nothing for a minute but wait for the
/// time limits of the calls that the silos took with them.
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
