using Actors.RateLimiting;
using CsCheck;

namespace Actors.Grains.Tests.RateLimiting;

/// <summary>The log of grants answers as a plain list of them would.</summary>
public sealed class GrantLogTests
{
    private const long Tick = 10;

    [Fact]
    public void Empty_log_has_no_grants()
    {
        var log = new GrantLog();
        Assert.Equal((0, 0L, 0L, 0L), (log.Count, log.Total, log.Newest, log.Bytes));
        Assert.Equal((0, long.MaxValue), log.After(long.MinValue));
        Assert.Equal(long.MinValue, log.WhenAtMost(0, 100));
        Assert.Equal(0, log.Trim(long.MaxValue));
        Assert.Equal(0, log.Remove(5, 1, Tick));
        Assert.Empty(log.ToArray());
        Assert.Empty(log.Last(3));
    }

    [Fact]
    public void Grant_counts_after_its_time_only()
    {
        var log = Log((10, 1), (20, 5));
        Assert.Equal((6, 10), log.After(9));
        Assert.Equal((5, 20), log.After(10));
        Assert.Equal((5, 20), log.After(19));
        Assert.Equal((0, long.MaxValue), log.After(20));
        Assert.Equal(5, log.GrantedAfter(10));
    }

    [Fact]
    public void Window_has_room_once_enough_old_grants_have_left_it()
    {
        var log = Log((10, 1), (20, 5), (30, 2));
        Assert.Equal(long.MinValue, log.WhenAtMost(8, 100));
        Assert.Equal(110, log.WhenAtMost(7, 100));
        Assert.Equal(120, log.WhenAtMost(6, 100));
        Assert.Equal(120, log.WhenAtMost(2, 100));
        Assert.Equal(130, log.WhenAtMost(0, 100));
    }

    [Fact]
    public void Trim_drops_grants_at_the_moment_given_but_not_from_the_total()
    {
        var log = Log((10, 1), (20, 5), (30, 2));
        Assert.Equal(2, log.Trim(20));
        Assert.Equal([(30L, 2L)], log.ToArray());
        Assert.Equal((8, 30), (log.Total, log.Newest));
        Assert.Equal(0, log.Trim(20));
    }

    [Fact]
    public void Trim_gives_the_memory_back()
    {
        var log = new GrantLog();
        for (var at = 1; at <= 1000; at++) log.Add(at, 1);
        var full = log.Bytes;
        log.Trim(990);
        Assert.InRange(log.Bytes, 10 * GrantLog.EntryBytes, full / 10);
        log.Trim(1000);
        Assert.Equal(0, log.Bytes);
        log.Add(1001, 3);
        Assert.Equal([(1001L, 3L)], log.ToArray());
    }

    [Fact]
    public void Grant_added_to_the_last_entry_counts_with_it_from_then_on()
    {
        var log = Log((10, 1), (20, 5));
        log.AddToLast(25, 2);
        Assert.Equal([(10L, 1L), (25L, 7L)], log.ToArray());
        Assert.Equal(8, log.Total);
    }

    [Fact]
    public void Last_entries_say_how_many_permits_came_before_each()
    {
        var log = Log((10, 1), (20, 5), (30, 2));
        Assert.Equal([(20L, 1L, 5L), (30L, 6L, 2L)], log.Last(2));
        Assert.Equal(3, log.Last(4).Length);
        Assert.Empty(log.Last(0));
    }

    [Theory]
    [InlineData(20, 2, 2, 3)]
    [InlineData(20, 5, 5, 0)]
    [InlineData(20, 9, 5, 0)]
    [InlineData(18, 2, 0, 5)]
    [InlineData(21, 2, 0, 5)]
    public void Refund_takes_no_more_than_the_entry_of_its_tick_has(long at, int permits, int removed, long left)
    {
        var log = Log((10, 1), (20, 5), (30, 2));
        Assert.Equal(removed, log.Remove(at, permits, Tick));
        Assert.Equal(left, log.ToArray().Where(grant => grant.At == 20).Sum(grant => grant.Permits));
        Assert.Equal(left > 0, log.ToArray().Any(grant => grant.At == 20));
        Assert.Equal(3 + left, log.GrantedAfter(0));
    }

    [Fact]
    public void Refund_finds_the_later_entry_of_its_tick()
    {
        var log = Log((10, 1));
        log.AddToLast(17, 2);
        Assert.Equal(2, log.Remove(12, 2, Tick));
        Assert.Equal([(17L, 1L)], log.ToArray());
    }

    [Fact]
    public void Copy_and_original_do_not_share_entries()
    {
        var log = Log((10, 1), (20, 5));
        var copy = log.Copy();
        copy.Add(30, 2);
        copy.Shift(1);
        log.Trim(10);
        Assert.Equal([(20L, 5L)], log.ToArray());
        Assert.Equal([(11L, 1L), (21L, 5L), (31L, 2L)], copy.ToArray());
        Assert.Equal((6, 8), (log.Total, copy.Total));
    }

    [Fact]
    public void Version_changes_with_every_change_but_that_of_time_passing()
    {
        var log = new GrantLog();
        var seen = new HashSet<int> { log.Version };
        foreach (var change in (Action[])[
            () => log.Add(10, 3), () => log.AddToLast(11, 1), () => log.Shift(5), () => log.Remove(16, 1, Tick), () => log.Load(2, [(20, 1)]), log.Clear])
        {
            change();
            Assert.True(seen.Add(log.Version));
        }

        log.Add(10, 3);
        var version = log.Version;
        log.Trim(10);
        Assert.Equal(version, log.Version);
    }

    [Fact]
    public void Log_agrees_with_a_list_whatever_is_done_to_it() =>
        Gen.Select(Gen.Int[0, 3], Gen.Long[1, 30], Gen.Long[1, 4]).Array[0, 80].Sample(steps =>
        {
            var log = new GrantLog();
            var list = new List<(long At, long Permits)>();
            long now = 0, total = 0;
            foreach (var (what, by, permits) in steps)
            {
                now += by;
                switch (what)
                {
                    case 0:
                        var until = now - (4 * by);
                        Assert.Equal(list.RemoveAll(grant => grant.At <= until), log.Trim(until));
                        break;
                    case 1 when list.Count > 0:
                        log.AddToLast(now, permits);
                        list[^1] = (now, list[^1].Permits + permits);
                        total += permits;
                        break;
                    default:
                        log.Add(now, permits);
                        list.Add((now, permits));
                        total += permits;
                        break;
                }

                Assert.Equal(list, log.ToArray());
                Assert.Equal((list.Count, total), (log.Count, log.Total));
                var since = now - (2 * by);
                Assert.Equal(list.Where(grant => grant.At > since).Sum(grant => grant.Permits), log.GrantedAfter(since));

                // At the moment it names so many are left, and just before more.
                var free = log.WhenAtMost(permits, 50);
                if (free == long.MinValue) Assert.True(list.Sum(grant => grant.Permits) <= permits);
                else
                {
                    Assert.True(log.GrantedAfter(free - 50) <= permits);
                    Assert.True(log.GrantedAfter(free - 51) > permits);
                }
            }
        });

    private static GrantLog Log(params (long At, long Permits)[] grants)
    {
        var log = new GrantLog();
        log.Load(0, grants);
        return log;
    }
}
