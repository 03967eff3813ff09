using Actors.WriteBehind;
using CsCheck;

namespace Actors.Grains.Tests.WriteBehind;

public sealed class BisectionTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Exactly_the_poison_items_are_rejected_and_the_others_committed_once() =>
        Gen.Select(Gen.Bool.Array[0, 60], Gen.Int[0, 60]).Sample((poison, split) =>
        {
            var items = Enumerable.Range(0, poison.Length).ToArray();
            var committed = new List<int>();
            var bisection = Bisect(poison, committed, items[..Math.Min(split, items.Length)], items[Math.Min(split, items.Length)..]);

            // CsCheck's samples are synchronous; no call here waits.
            bisection.RunAsync(Token).GetAwaiter().GetResult();

            Assert.Equal(items.Where(item => !poison[item]), committed);
            Assert.Equal(items.Where(item => poison[item]), bisection.Refused.Select(refusal => refusal.Item));
            Assert.All(bisection.Refused, refusal => Assert.Equal($"not {refusal.Item}", refusal.Reason));
        });

    [Fact]
    public void Bisection_resumes_where_it_failed() =>
        Gen.Select(Gen.Bool.Array[1, 40], Gen.Int[0, 1000]).Sample((poison, seed) =>
        {
            var random = new Random(seed);
            var committed = new List<int>();
            var items = Enumerable.Range(0, poison.Length).ToArray();
            var bisection = new Bisection<int>(
                (part, _) =>
                {
                    if (random.Next(3) == 0) throw new StorageUnavailableException("the database", "It is down.");
                    Commit(poison, committed, part);
                    return Task.CompletedTask;
                },
                items);
            while (true)
            {
                try
                {
                    bisection.RunAsync(Token).GetAwaiter().GetResult();
                    break;
                }
                catch (StorageUnavailableException)
                {
                }
            }

            Assert.Equal(items.Where(item => !poison[item]), committed);
            Assert.Equal(items.Where(item => poison[item]), bisection.Refused.Select(refusal => refusal.Item));
        });

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 21)]
    [InlineData(3, 63)]
    public async Task Few_poison_items_among_many_are_found_in_few_steps(int bad, int most)
    {
        const int Items = 1024;
        var poison = new bool[Items];
        for (var i = 0; i < bad; i++) poison[i * (Items / 3)] = true;
        var steps = 0;
        var committed = new List<int>();
        var bisection = new Bisection<int>(
            (part, _) =>
            {
                steps++;
                Commit(poison, committed, part);
                return Task.CompletedTask;
            },
            Enumerable.Range(0, Items).ToArray());

        await bisection.RunAsync(Token);

        Assert.Equal(Items - bad, committed.Count);
        Assert.InRange(steps, 1, most);
    }

    [Fact]
    public async Task Items_rejected_only_together_are_committed_separately()
    {
        var committed = new List<int>();
        var bisection = new Bisection<int>(
            (part, _) =>
            {
                if (part.Contains(1) && part.Contains(2)) throw new RowsRefusedException("1 and 2 are rejected together");
                committed.AddRange(part);
                return Task.CompletedTask;
            },
            [0, 1, 2, 3]);

        await bisection.RunAsync(Token);

        Assert.Empty(bisection.Refused);
        Assert.Equal([0, 1, 2, 3], committed);
    }

    private static Bisection<int> Bisect(bool[] poison, List<int> committed, params int[][] parts) => new(
        (part, _) =>
        {
            Commit(poison, committed, part);
            return Task.CompletedTask;
        },
        parts);

    private static void Commit(bool[] poison, List<int> committed, IReadOnlyList<int> part)
    {
        foreach (var item in part)
            if (poison[item]) throw new RowsRefusedException($"not {item}");
        committed.AddRange(part);
    }
}
