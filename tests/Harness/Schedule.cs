using System.Globalization;

namespace Actors.Harness;

/// <summary>
/// A sequence of faults at random, the same for the same seed: a round of one fault, or of two that overlap, then all is
/// healed, then a pause in which things are as they should be.
/// </summary>
/// <param name="seed">Where the random sequence begins.</param>
/// <param name="faults">What to choose from.</param>
/// <param name="overlaps">Whether a second fault may begin while one is under way.</param>
/// <param name="longestOutage">How long PostgreSQL is away at most, where it may be longer than other faults last.</param>
public sealed class Schedule(int seed, IReadOnlyList<Fault> faults, bool overlaps, TimeSpan? longestOutage = null)
{
    private static readonly TimeSpan LongestFault = TimeSpan.FromSeconds(12);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(6);

    /// <summary>What goes on just now, for a line of progress.</summary>
    public string Current { get; private set; } = "nothing yet";

    /// <summary>How many faults there were so far.</summary>
    public int Count { get; private set; }

    /// <summary>The rounds, without end. The number of places decides which silos are hit.</summary>
    public IEnumerable<Round> Rounds(int silos)
    {
        // Of this schedule alone, and by one caller: so the sequence depends on the seed and on nothing else.
        var random = new Random(seed);
        while (true)
        {
            List<Step> steps = [NextStep(random, faults, silos)];
            if (overlaps && random.Next(2) == 0)
            {
                var others = faults.Where(steps[0].Fault.GoesWith).ToList();
                if (others.Count > 0) steps.Add(NextStep(random, others, silos) with { After = Part(random, steps[0].Duration) });
            }
            yield return new(steps, Part(random, LongestPause));
        }
    }

    /// <summary>
    /// Carries out rounds for about <paramref name="duration"/>; all is healed on return. A round is begun only once nothing
    /// acknowledged hangs by a single copy: a silo killed and then Redis emptied, before the first was made good, are two
    /// failures of one write, and that is allowed to lose it.
    /// </summary>
    public async Task RunAsync(Deployment deployment, TimeSpan duration, Action<string> tell, CancellationToken cancellationToken = default)
    {
        tell($"seed {seed}: {duration.TotalMinutes.ToString("0.##", CultureInfo.InvariantCulture)} min of {string.Join(", ", faults)}{(overlaps ? ", overlapping" : "")}");
        var began = DateTime.UtcNow;
        foreach (var round in Rounds(deployment.Silos.Count))
        {
            if (DateTime.UtcNow - began >= duration || cancellationToken.IsCancellationRequested) break;
            var what = string.Join(" and ", round.Steps);
            Say(what);
            await Task.WhenAll(round.Steps.Select(step => RunAsync(deployment, step, cancellationToken)));
            Say($"healing after {what}");
            await deployment.HealAsync(Say);
            Say("healed; until all that was acknowledged is safe again");
            await deployment.SettleAsync();
            Say("safe");
            Current = $"pause of {round.Pause.TotalSeconds:0.0} s";
            await Task.Delay(round.Pause, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        Current = "all healed";

        void Say(string what)
        {
            Current = what;
            tell($"{(DateTime.UtcNow - began).TotalSeconds,6:0.0} s  {what}");
        }
    }

    private async Task RunAsync(Deployment deployment, Step step, CancellationToken cancellationToken)
    {
        await Task.Delay(step.After, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (cancellationToken.IsCancellationRequested) return;
        Count++;
        await step.Fault.RunAsync(deployment, step.Duration, step.Silo, cancellationToken);
    }

    private Step NextStep(Random random, IReadOnlyList<Fault> among, int silos)
    {
        var fault = among[random.Next(among.Count)];
        var longest = fault.Part == FaultPart.Postgres ? longestOutage ?? LongestFault : LongestFault;
        return new(fault, random.Next(silos), TimeSpan.Zero, Part(random, longest));
    }

    // From a tenth of it: an instant is a fault as well, and some faults are over before anyone notices.
    private static TimeSpan Part(Random random, TimeSpan longest) => longest * (0.1 + (0.9 * random.NextDouble()));
}

/// <summary>Faults that overlap, and how long to leave things alone afterwards.</summary>
public sealed record Round(IReadOnlyList<Step> Steps, TimeSpan Pause);

/// <summary>A fault, where, when after the beginning of its round, and for how long.</summary>
public sealed record Step(Fault Fault, int Silo, TimeSpan After, TimeSpan Duration)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Fault}{(Fault.IsOfOneSilo ? $" of silo {Silo}" : "")} for {Duration.TotalSeconds:0.0} s{(After > TimeSpan.Zero ? $" after {After.TotalSeconds:0.0} s" : "")}");
}
