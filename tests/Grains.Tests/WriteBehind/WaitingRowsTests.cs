using Actors.WriteBehind;

namespace Actors.Grains.Tests.WriteBehind;

public sealed class WaitingRowsTests
{
    private readonly WaitingRows _rows = new();

    [Fact]
    public void Half_of_a_batch_is_taken_by_age_if_the_oldest_row_is_due()
    {
        Add("a", "b", "c", "d", "e", "f");
        Hasten("d", "e", "f");

        Assert.Equal(["a", "b", "d", "e"], Take(upTo: 4, isOldestDue: true));
        Assert.Equal(["f"], Take(upTo: 4, isOldestDue: false));
        Assert.False(_rows.HasUrgent);
        Assert.Equal(["c"], Take(upTo: 4, isOldestDue: true));
        Assert.Equal(0, _rows.Count);
    }

    [Fact]
    public void Row_is_taken_once_although_it_is_urgent_and_old()
    {
        Add("a", "b");
        Hasten("a");

        Assert.Equal(["a"], Take(upTo: 1, isOldestDue: true));
        Assert.Null(_rows.Find("a"));
        Assert.Equal("b", _rows.Oldest?.Row.Key);
        Assert.Equal(["b"], Take(upTo: 10, isOldestDue: true));
        Assert.Null(_rows.Oldest);
    }

    [Fact]
    public void Row_is_hastened_once()
    {
        Add("a");
        Assert.True(_rows.Hasten(_rows.Find("a")!));
        Assert.False(_rows.Hasten(_rows.Find("a")!));
    }

    private void Add(params string[] keys)
    {
        foreach (var key in keys) _rows.Add(new PendingRow(QueueBench.Make(key, 1), since: 0));
    }

    private void Hasten(params string[] keys)
    {
        foreach (var key in keys) _rows.Hasten(_rows.Find(key)!);
    }

    private List<string> Take(int upTo, bool isOldestDue)
    {
        var batch = new List<PendingRow>();
        _rows.Take(batch, upTo, isOldestDue);
        return batch.ConvertAll(pending => pending.Row.Key);
    }
}
