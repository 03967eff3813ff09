using Actors.WriteBehind;
using CsCheck;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using static Actors.WriteBehindState;

namespace Actors.Grains.Tests.WriteBehind;

public sealed class BackpressureTests
{
    private const long Ceiling = 800;

    [Theory]
    [InlineData(0, Buffering)]
    [InlineData(399, Buffering)]
    [InlineData(400, Slowing)]
    [InlineData(599, Slowing)]
    [InlineData(600, WritingThrough)]
    [InlineData(799, WritingThrough)]
    [InlineData(800, Refusing)]
    [InlineData(10_000, Refusing)]
    public void Rising_usage_enters_each_state_at_its_share_of_the_ceiling(long used, WriteBehindState expected) =>
        Assert.Equal(expected, Backpressure.Next(Buffering, used, Ceiling, isTaking: true));

    [Theory]
    [InlineData(700, Refusing)]
    [InlineData(699, WritingThrough)]
    [InlineData(500, WritingThrough)]
    [InlineData(499, Slowing)]
    [InlineData(300, Slowing)]
    [InlineData(299, Buffering)]
    public void Falling_usage_leaves_each_state_an_eighth_of_the_ceiling_lower(long used, WriteBehindState expected) =>
        Assert.Equal(expected, Backpressure.Next(Refusing, used, Ceiling, isTaking: true));

    [Theory]
    [InlineData(Buffering, 600, Slowing)]
    [InlineData(Buffering, 799, Slowing)]
    [InlineData(Buffering, 800, Refusing)]
    [InlineData(WritingThrough, 799, Slowing)]
    [InlineData(WritingThrough, 299, Buffering)]
    [InlineData(Refusing, 699, Slowing)]
    public void Write_through_is_off_while_the_database_fails(WriteBehindState from, long used, WriteBehindState expected) =>
        Assert.Equal(expected, Backpressure.Next(from, used, Ceiling, isTaking: false));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(400, 0)]
    [InlineData(402, 0.5)]
    [InlineData(600, 50)]
    [InlineData(800, 100)]
    [InlineData(900, 100)]
    public void Writes_are_delayed_above_half_of_the_ceiling_in_proportion_to_usage(long used, double milliseconds) =>
        Assert.Equal(milliseconds, Backpressure.DelayAt(used, Ceiling).TotalMilliseconds, 6);

    [Theory]
    [InlineData(0, 256)]
    [InlineData(64, 16)]
    [InlineData(1024, 64)]
    [InlineData(4096, 256)]
    [InlineData(1 << 20, 256)]
    public void Ceiling_fits_the_memory_of_the_machine(long mebibytes, long expected) =>
        Assert.Equal(expected << 20, WriteBehindOptions.CeilingFor(mebibytes << 20));

    [Fact]
    public void State_persists_until_usage_changes_by_an_eighth_of_the_ceiling() =>
        Gen.Select(Gen.Long[1 << 20, 1L << 40], Gen.Double[0, 1.1], Gen.Double[-0.124, 0.124], Gen.Int[0, 3], Gen.Bool)
            .Sample((ceiling, share, change, from, isTaking) =>
            {
                var used = (long)(ceiling * share);
                var first = Backpressure.Next((WriteBehindState)from, used, ceiling, isTaking);

                // Around one bound the state changes at most once, and the first state persists.
                var second = Backpressure.Next(first, Math.Max(used + (long)(ceiling * change), 0), ceiling, isTaking);
                var third = Backpressure.Next(second, used, ceiling, isTaking);
                Assert.Equal(third, Backpressure.Next(third, Math.Max(used + (long)(ceiling * change), 0), ceiling, isTaking));
                Assert.Equal(first, Backpressure.Next(first, used, ceiling, isTaking));
            });

    [Fact]
    public void Each_change_is_counted_and_logged_once()
    {
        var (gauge, counters, log, _) = Open(() => false);
        foreach (var used in (long[])[0, 399, 400, 450, 399, 301, 400, 600, 650, 501, 800, 750, 299, 0]) Look(gauge, used);

        Assert.Equal((1, 1, 1, 1), (counters.Transitions(Slowing), counters.Transitions(WritingThrough), counters.Transitions(Refusing), counters.Transitions(Buffering)));
        Assert.Equal(
            ["Warning: Write-behind Buffering -> Slowing", "Warning: Write-behind Slowing -> WritingThrough",
                "Warning: Write-behind WritingThrough -> Refusing", "Information: Write-behind Refusing -> Buffering"],
            log.Lines.Select(line => string.Join(": ", line.Split(": ")[..2])));
    }

    [Fact]
    public void Intermittent_database_is_not_used_for_write_through_until_stable()
    {
        var isFailing = true;
        var (gauge, counters, _, clock) = Open(() => isFailing);
        Assert.Equal(Slowing, gauge.Look(700));
        for (var i = 0; i < 10; i++)
        {
            isFailing = !isFailing;
            clock.Advance(TimeSpan.FromMilliseconds(400));
            Assert.Equal(Slowing, gauge.Look(700));
        }

        isFailing = false;
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(WritingThrough, gauge.Look(700));
        Assert.Equal(1, counters.Transitions(Slowing));
    }

    private static void Look(PressureGauge gauge, long used) => Parallel.For(0, 8, _ => gauge.Look(used));

    private static (PressureGauge Gauge, WriteBehindCounters Counters, LineLog Log, FakeTimeProvider Clock) Open(Func<bool> isFailing)
    {
        var (counters, log, clock) = (new WriteBehindCounters(), new LineLog(), new FakeTimeProvider());
        return (new(new() { MaxUnflushedBytes = Ceiling }, isFailing, counters, clock, log), counters, log, clock);
    }

    private sealed class LineLog : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add($"{logLevel}: {formatter(state, exception)}");
    }
}
