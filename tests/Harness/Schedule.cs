using System.Globalization;

namespace Actors.Harness;

/// <summary>
/// A random sequence of faults, determined by the seed: a round of one fault or two that overlap, then the healing, then a
/// fault-free pause.
/// </summary>
/// <param name="seed">The seed.</param>
/// <param name="faults">The faults to choose from.</param>
/// <param name="overlaps">Whether a second fault may start during the first.</param>
/// <param name="longestOutage">The maximum outage of PostgreSQL, if longer than other faults.</param>
public sealed class Schedule(int seed, IReadOnlyList<Fault> faults, bool overlaps, TimeSpan? longestOutage = null)
{
    private static readonly TimeSpan LongestFault = TimeSpan.FromSeconds(12);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(6);

    /// <summary>The current step, for a progress line.</summary>
    public string Current { get; private set; } = "nothing yet";

    /// <summary>The number of faults so far.</summary>
    public int Count { get; private set; }

    /// <summary>The endless sequence of rounds. The number of places determines the affected silos.</summary>
    public IEnumerable<Round> Rounds(int silos)
    {
        // Used by one caller of this schedule only, so the sequence depends only on the seed.
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
    /// Runs rounds for about <paramref name="duration"/>; all faults are healed on return. A round starts only once no
    /// acknowledged write depends on a single copy: otherwise two faults in a row could lose both copies, which is allowed.
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
            Say("healed; waiting until all acknowledged writes are safe");
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

    // From a tenth of the maximum: very short faults count too, and some end before they are noticed.
    private static TimeSpan Part(Random random, TimeSpan longest) => longest * (0.1 + (0.9 * random.NextDouble()));
}

/// <summary>Faults that overlap, and the length of the pause after them.</summary>
public sealed record Round(IReadOnlyList<Step> Steps, TimeSpan Pause);

/// <summary>A fault with its place, its delay from the start of the round, and its duration.</summary>
public sealed record Step(Fault Fault, int Silo, TimeSpan After, TimeSpan Duration)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Fault}{(Fault.IsOfOneSilo ? $" of silo {Silo}" : "")} for {Duration.TotalSeconds:0.0} s{(After > TimeSpan.Zero ? $" after {After.TotalSeconds:0.0} s" : "")}");
}
