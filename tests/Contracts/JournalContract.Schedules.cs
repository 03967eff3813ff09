using CsCheck;

namespace Actors.Contracts;

public abstract partial class JournalContract
{
    [Fact]
    public Task Concurrent_owners_lose_no_acknowledged_write() =>
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 2], Gen.Frequency(
                (2, JournalStep.Claim), (6, JournalStep.Append), (1, JournalStep.Release), (3, JournalStep.Flush), (1, JournalStep.Adopt)))
            .Array[1, 160]
            .SampleAsync(
                async steps =>
                {
                    var schedule = new JournalSchedule(Open, keys: 3);
                    await Task.WhenAll(steps.GroupBy(step => step.Item1).Select(actor => Task.Run(async () =>
                    {
                        var owner = new JournalSchedule.Actor(schedule, actor.Key);
                        foreach (var (_, key, step) in actor) await owner.DoAsync(step, key);
                    })));
                    await using var look = await LookAsync();
                    await schedule.CheckAsync(look);
                },
                iter: 100,
                threads: 1);
}
