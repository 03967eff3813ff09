using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The record of a circuit's calls.</summary>
public sealed class FailureWindowTests
{
    private readonly FailureWindow _window = new(1000);

    [Fact]
    public void At_first_it_is_empty() => Assert.Equal((0, 0), _window.Count(0));

    [Fact]
    public void It_counts_calls_and_the_failures_among_them()
    {
        for (var i = 0; i < 5; i++) _window.Success(i);
        for (var i = 0; i < 3; i++) _window.Failure(i);
        Assert.Equal((8, 3), _window.Count(5));
    }

    [Fact]
    public void What_is_older_than_the_stretch_is_forgotten_within_a_tenth_of_it()
    {
        _window.Failure(0);
        Assert.Equal((1, 1), _window.Count(900));
        Assert.Equal((0, 0), _window.Count(1000));
    }

    [Fact]
    public void It_slides()
    {
        for (var now = 0; now < 100_000; now++)
        {
            _window.Success(now);
            if (now > 2000 && now % 37 == 0) Assert.InRange(_window.Count(now).Calls, 900, 1000);
        }
    }

    [Fact]
    public void A_result_told_late_counts_to_the_present()
    {
        _window.Success(5000);
        _window.Failure(4000);
        Assert.Equal((2, 1), _window.Count(5000));
    }

    [Fact]
    public void A_look_from_before_does_not_forget_more()
    {
        _window.Success(5000);
        Assert.Equal((1, 0), _window.Count(4000));
        Assert.Equal((1, 0), _window.Count(5000));
    }

    [Fact]
    public void The_shortest_stretch_works()
    {
        var window = new FailureWindow(0);
        window.Failure(7);
        Assert.Equal((1, 1), window.Count(7));
        Assert.Equal((0, 0), window.Count(100));
    }

    [Fact]
    public async Task Counts_of_many_threads_add_up_over_the_turn_of_slices()
    {
        const int threads = 6;
        const int each = 200_000;

        // A clock that all of them move, through nine of ten slices: so nothing may be forgotten.
        var clock = 0L;
        var window = new FailureWindow(threads * each * 10 / 9);
        await Task.WhenAll(Enumerable.Range(0, threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                for (var i = 0; i < each; i++)
                {
                    var now = Interlocked.Increment(ref clock);
                    if (i % 10 == thread) window.Failure(now);
                    else window.Success(now);
                    if (i % 1000 == 0) Assert.True(window.Count(now) is var count && count.Failures <= count.Calls);
                }
            },
            TaskCreationOptions.LongRunning)));
        Assert.Equal((threads * each, threads * each / 10), window.Count(clock));
    }
}
