namespace Actors.Fault.Tests.Harness;

public sealed class ScheduleTests
{
    private const int Rounds = 2_000;

    [Fact]
    public void Same_seed_gives_the_same_faults_and_another_seed_different_ones()
    {
        Assert.Equal(Print(seed: 7), Print(seed: 7));
        Assert.NotEqual(Print(seed: 7), Print(seed: 8));
    }

    [Fact]
    public void Every_fault_occurs_and_some_overlap()
    {
        var rounds = Take(seed: 1, overlaps: true);
        Assert.Equal(Faults.All.Select(fault => fault.Name).Order(), rounds.SelectMany(round => round.Steps).Select(step => step.Fault.Name).Distinct().Order());
        Assert.Equal([1, 2], rounds.Select(round => round.Steps.Count).Distinct().Order());
        Assert.All(Take(seed: 1, overlaps: false), round => Assert.Single(round.Steps));
    }

    [Fact]
    public void Overlapping_faults_never_may_lose_data()
    {
        foreach (var steps in Take(seed: 1, overlaps: true).Select(round => round.Steps).Where(steps => steps.Count > 1))
        {
            Assert.Contains(steps, step => step.Fault.Losses == Losses.None);
            Assert.DoesNotContain(steps, step => step.Fault.Losses == Losses.Journal);
            Assert.NotEqual(steps[0].Fault.Part, steps[1].Fault.Part);
        }
    }

    [Fact]
    public void Unknown_fault_is_rejected_with_the_known_ones()
    {
        var error = Assert.Throws<ArgumentException>(() => Faults.Find("silo-kil"));
        Assert.Contains("'silo-kil'", error.Message, StringComparison.Ordinal);
        Assert.Contains("silo-kill, silo-pause", error.Message, StringComparison.Ordinal);
        Assert.All(Faults.All, fault => Assert.Same(fault, Faults.Find(fault.Name)));
    }

    private static string Print(int seed) => string.Join('\n', Take(seed, overlaps: true).SelectMany(round => round.Steps));

    private static Round[] Take(int seed, bool overlaps) => [.. new Schedule(seed, Faults.All, overlaps).Rounds(silos: 3).Take(Rounds)];
}
