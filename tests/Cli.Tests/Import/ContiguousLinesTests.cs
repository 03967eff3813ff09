using Actors.Cli.Import;

namespace Actors.Cli.Tests.Import;

public sealed class ContiguousLinesTests
{
    [Fact]
    public void Only_contiguous_lines_count_as_done()
    {
        var lines = new ContiguousLines(new(10, 8, 2));
        var (a, b, c, d) = (lines.Begin(11), lines.Begin(14), lines.Begin(15), lines.Begin(20));
        lines.Skipped(c);
        lines.Imported(b);
        Assert.Equal(new(10, 8, 2), lines.Done);
        lines.Imported(a);
        Assert.Equal(new(15, 10, 3), lines.Done);
        lines.Imported(d);
        Assert.Equal(new(20, 11, 3), lines.Done);
    }

    [Fact]
    public async Task Gap_is_never_skipped_whatever_the_order_of_completion()
    {
        for (var seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            var lines = new ContiguousLines(default);
            var begun = Enumerable.Range(1, 500).Select(line => lines.Begin(line)).ToArray();
            random.Shuffle(begun);
            var done = new HashSet<long>();
            foreach (var entry in begun)
            {
                lines.Imported(entry);
                done.Add(entry.Line);
                var through = lines.Done.Line;
                Assert.True(Enumerable.Range(1, (int)through).All(line => done.Contains(line)));
                Assert.DoesNotContain(through + 1, done);
            }
        }

        var shared = new ContiguousLines(default);
        var entries = Enumerable.Range(1, 10_000).Select(line => shared.Begin(line)).ToArray();
        await Parallel.ForEachAsync(entries, (entry, _) =>
        {
            if (entry.Line % 3 == 0)
                shared.Skipped(entry);
            else
                shared.Imported(entry);
            return ValueTask.CompletedTask;
        });
        Assert.Equal(new(10_000, 6_667, 3_333), shared.Done);
    }
}
