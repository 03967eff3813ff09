using Actors.RateLimiting;

namespace Actors.Grains.Tests.RateLimiting;

/// <summary>Names are noted and forgotten until Redis has the change.</summary>
public sealed class PendingNamesTests
{
    private const int Most = 10;

    private readonly PendingNames _names = new();

    [Fact]
    public void Name_that_was_never_sent_is_dropped_when_it_is_forgotten()
    {
        _names.Note("a", 1);
        _names.Forget("a");
        Assert.Equal((0, 0L), (_names.Count, _names.Bytes));
    }

    [Fact]
    public void Name_that_may_be_in_Redis_is_forgotten_there()
    {
        _names.Note("a", 1);
        Assert.Equal(["a"], _names.NextBatch(Most).Noted.Select(noted => noted.Key));

        // The script that notes it may have run.
        _names.Note("a", 2);
        _names.Forget("a");
        Assert.Equal(["a"], _names.NextBatch(Most).Forgotten);
    }

    [Fact]
    public void Name_granted_again_is_noted_with_its_latest_time()
    {
        _names.Forget("a");
        _names.Note("a", 7);
        var batch = _names.NextBatch(Most);
        Assert.Empty(batch.Forgotten);
        Assert.Equal([new("a", 7)], batch.Noted);
    }

    [Fact]
    public void Batches_are_bounded_and_forget_first()
    {
        foreach (var name in "abc") _names.Forget($"{name}");
        foreach (var name in "def") _names.Note($"{name}", 1);
        var batch = _names.NextBatch(4);
        Assert.Equal((3, 1), (batch.Forgotten.Length, batch.Noted.Length));
        _names.Remove(batch);
        Assert.Equal(2, _names.Count);
        batch = _names.NextBatch(4);
        Assert.Equal((0, 2), (batch.Forgotten.Length, batch.Noted.Length));
        _names.Remove(batch);
        Assert.Equal((0, 0L), (_names.Count, _names.Bytes));
    }

    [Fact]
    public void Names_of_an_earlier_activation_are_noted_with_shifted_times_and_may_be_in_Redis()
    {
        // A handoff may be delivered twice.
        for (var i = 0; i < 2; i++) _names.TakeOver(Handoff(noted: "a", forgotten: "b"), shift: 5);
        var batch = _names.NextBatch(Most);
        Assert.Equal(["b"], batch.Forgotten);
        Assert.Equal([new("a", 15)], batch.Noted);
        _names.Forget("a");
        Assert.Equal(["a", "b"], _names.Forgotten.Order());
        _names.Remove(_names.NextBatch(Most));
        Assert.Equal((0, 0L), (_names.Count, _names.Bytes));
    }

    [Fact]
    public void Redis_gets_no_more_names_than_it_keeps()
    {
        for (var i = 0; i <= 2 * RateLimits.RememberedRequests; i++) _names.Note($"{i}", i);
        Assert.Equal(RateLimits.RememberedRequests + 1, _names.Count);
        Assert.Equal(RateLimits.RememberedRequests, _names.Noted.Min(noted => noted.Value));
    }

    private static LogHandoff Handoff(string noted, string forgotten) => new()
    {
        Policy = new() { Name = "test", Windows = [new(1, TimeSpan.FromSeconds(1))] },
        Grants = [],
        Noted = [new(noted, 10)],
        Forgotten = [forgotten],
        Time = 0,
        IsTimeKnown = true,
    };
}
