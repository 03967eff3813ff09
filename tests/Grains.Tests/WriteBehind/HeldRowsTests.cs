using Actors.WriteBehind;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.WriteBehind;

public sealed class HeldRowsTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly FakeTimeProvider _clock = new();
    private readonly HeldRows _rows;

    public HeldRowsTests() => _rows = new(new WriteBehindCounters(clock: _clock), _clock);

    [Fact]
    public void First_held_row_is_retried_soon()
    {
        Assert.False(_rows.IsDue);
        Add("a");
        Assert.Equal(Second / 2, _rows.UntilDue);
        _clock.Advance(Second / 2);
        Assert.True(_rows.IsDue);
    }

    [Fact]
    public void Attempts_without_progress_grow_apart_up_to_45_seconds()
    {
        Add("a");
        _rows.Reschedule(TimeSpan.Zero, hasProgress: false, isDraining: false);
        Assert.InRange(_rows.UntilDue!.Value, Second / 2, Second * 1.5);
        for (var i = 0; i < 10; i++) _rows.Reschedule(TimeSpan.Zero, hasProgress: false, isDraining: false);
        Assert.InRange(_rows.UntilDue!.Value, Second * 15, Second * 45);
        _rows.Reschedule(TimeSpan.Zero, hasProgress: true, isDraining: false);
        Assert.True(_rows.IsDue);
        _rows.Reschedule(TimeSpan.Zero, hasProgress: false, isDraining: false);
        Assert.InRange(_rows.UntilDue!.Value, Second / 2, Second * 1.5);
    }

    [Fact]
    public void Other_rows_get_nine_tenths_of_the_time_except_while_the_lane_drains()
    {
        Add("a");
        _rows.Reschedule(Second, hasProgress: true, isDraining: false);
        Assert.Equal(Second * 9, _rows.UntilDue);
        _rows.Reschedule(Second * 10, hasProgress: true, isDraining: false);
        Assert.Equal(Second * 30, _rows.UntilDue);
        _rows.Reschedule(Second, hasProgress: true, isDraining: true);
        Assert.True(_rows.IsDue);
    }

    [Fact]
    public void Attempt_takes_at_most_a_hundred_rows_in_the_order_they_were_held()
    {
        Add([.. Enumerable.Range(0, 103).Select(i => $"{i}")]);
        Assert.Equal(("0", 103), (_rows.Reason, _rows.Count));

        Assert.Equal(["0", "1"], Take(upTo: 2));
        Assert.Equal(100, Take(upTo: 1000).Count);
        Assert.Equal(("102", 1), (_rows.Reason, _rows.Count));
        Assert.Null(_rows.Find("101"));
        Assert.NotNull(_rows.Find("102"));

        Assert.Equal(["102"], Take(upTo: 1000));
        Assert.Equal((0, null, null, null), (_rows.Count, _rows.Reason, _rows.Since, _rows.UntilDue));
    }

    // The reason of each is its key.
    private void Add(params string[] keys)
    {
        foreach (var key in keys) _rows.Add(new PendingRow(QueueBench.Make(key, 1), _clock.GetTimestamp()), key);
    }

    private List<string> Take(int upTo)
    {
        var batch = new List<PendingRow>();
        _rows.Take(batch, upTo);
        return batch.ConvertAll(pending => pending.Row.Key);
    }
}
