using System.Diagnostics;
using System.Globalization;
using Actors.Fixtures;

namespace Actors.Harness.Trials;

/// <summary>
/// Silos are frozen (SIGSTOP) for 5 to 40 s at random and resumed. After a long pause a silo was declared dead, and its users
/// were taken over and changed; it must not answer from memory.
/// </summary>
public static class FreezeTrial
{
    private const int Users = 300;
    private const int Writers = 12;

    // Orleans casts no vote before this time: shorter pauses must have no effect.
    private static readonly TimeSpan Tolerated = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(40);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    /// <summary>The maximum time until a frozen silo is declared dead.</summary>
    public static TimeSpan DeathLimit { get; } = TimeSpan.FromSeconds(15);

    /// <summary>Freezes a silo in each round, for a random time or <see cref="TrialOptions.Outage"/>.</summary>
    public static async Task<Verdict> RunAsync(Deployment deployment, TrialOptions options, Action<string> tell)
    {
        var random = new Random(options.Seed);
        var findings = new List<string>();
        var deaths = 0;
        await using var calls = await CheckedCalls.StartAsync(deployment, $"{options.Tag}-", options.Users ?? Users, Writers);
        for (var round = 1; round <= options.Rounds; round++)
        {
            var silo = deployment.Silos[random.Next(deployment.Silos.Count)];
            var pause = options.Outage ?? (Shortest + (random.NextDouble() * (Longest - Shortest)));
            using var ended = new CancellationTokenSource();
            var reading = calls.ReadThroughAsync(deployment.Silo(silo), ended.Token);
            await Task.Delay(Aftermath);
            var died = await StopAsync(deployment, silo, pause);
            await ended.CancelAsync();
            await reading;
            if (died is not null) deaths++;

            var others = deployment.Silos.Where(other => other != silo && deployment.Silo(other).HasExited).ToList();
            if (others.Count > 0) findings.Add($"round {round}: silos {string.Join(", ", others)} have exited, but only {silo} was frozen");
            if (died is null && pause > DeathLimit) findings.Add($"round {round}: silo {silo} was frozen for {pause} and not declared dead");
            if (died > DeathLimit) findings.Add($"round {round}: silo {silo} was declared dead after {died}; the limit is {DeathLimit}");
            if (died is not null && pause < Tolerated) findings.Add($"round {round}: silo {silo} was declared dead after a pause of {pause}");
            tell(string.Create(CultureInfo.InvariantCulture,
                $"round {round}: silo {silo} frozen for {pause.TotalSeconds:0.0} s, {(died is { } time ? $"declared dead after {time.TotalSeconds:0.0} s" : "not declared dead")}; so far {calls}"));

            await deployment.HealAsync(tell);
            await Task.Delay(Aftermath);
        }

        findings.AddRange(await calls.StopAsync());
        tell(calls.ToString());
        return new FreezeVerdict(findings, calls.ToString(), deaths);
    }

    /// <summary>Freezes a silo and returns once it has resumed or exited; returns the time until it was declared dead, if it was.</summary>
    private static async Task<TimeSpan?> StopAsync(Deployment deployment, int silo, TimeSpan pause)
    {
        var process = deployment.Silo(silo);
        var name = await ClusterMembers.NameAsync(process);
        TimeSpan? died = null;
        var watch = Stopwatch.StartNew();
        process.Signal(Signals.Stop);
        try
        {
            while (watch.Elapsed < pause)
            {
                await Task.Delay(Look);
                if (died is null && await ClusterMembers.IsDeadAsync(deployment, name)) died = watch.Elapsed;
            }
        }
        finally
        {
            process.Signal(Signals.Continue);
        }

        await Task.Delay(Aftermath);

        // It may have been declared dead at the last moment.
        if (died is null && await ClusterMembers.IsDeadAsync(deployment, name)) died = pause;
        for (watch.Restart(); died is not null && !process.HasExited && watch.Elapsed < EndLimit;) await Task.Delay(Look);
        return died;
    }
}

/// <summary>The results of calls during the freezes.</summary>
/// <param name="Findings">The findings.</param>
/// <param name="Calls">The number of calls and their results.</param>
/// <param name="Deaths">The number of frozen silos that were declared dead.</param>
public sealed record FreezeVerdict(IReadOnlyList<string> Findings, string Calls, int Deaths) : Verdict(Findings)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Deaths} silos were declared dead; {Calls}{(IsClean ? "" : $"; WRONG:\n{string.Join('\n', Findings)}")}";
}
