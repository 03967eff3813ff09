using Actors.Fixtures;

namespace Actors.Harness.Trials;

/// <summary>Callers with clocks that are right, ahead and behind, and a silo whose clock is ahead: only the clock of Redis counts.</summary>
public static class LimitClockTrial
{
    private const int Clients = 4;
    private static readonly TimeSpan Off = TimeSpan.FromSeconds(5);

    /// <summary>Runs once, whatever the number of rounds.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var plan = LimitPlan.Of(options);
        var ahead = await deployment.AddPlaceAsync(isPersistent: false, ClockOffset.Of(Off));
        await deployment.HealAsync(tell);
        using var loads = await LimitLoads.StartAtRateAsync(
            deployment, plan, options.Tag, Clients, [new Dictionary<string, string>(), ClockOffset.Of(Off), ClockOffset.Of(-Off)]);

        // Verifies that the clocks really differ.
        var clocks = loads.Loads.Select(load => (load.Timeline[^1].At - DateTimeOffset.UtcNow).TotalSeconds)
            .Append((await deployment.Silo(ahead).ClockAsync() - DateTimeOffset.UtcNow).TotalSeconds).ToList();
        tell($"the clocks of the callers, and of a silo, are ahead by {string.Join(", ", clocks.Select(clock => $"{clock:0.0}"))} s");
        var expected = (double[])[0, 5, -5, 5];
        var findings = clocks.Zip(expected).Where(clock => Math.Abs(clock.First - clock.Second) > 2.4)
            .Select(clock => $"a clock is off by {clock.First:0.0} s instead of {clock.Second} s").ToList();

        await loads.SteadyAsync("clocks off", isAfterFault: true);
        var (results, report) = await loads.StopAsync(tell);
        await deployment.RemoveSiloAsync(ahead);
        return report.With([.. findings, .. LimitLoads.Failures(results)]);
    }
}
