using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The failure window of a circuit.</summary>
public sealed class FailureWindowTests
{
    private readonly FailureWindow _window = new(1000);

    [Fact]
    public void Window_is_empty_at_first() => Assert.Equal((0, 0), _window.Count(0));

    [Fact]
    public void Window_counts_calls_and_failures()
    {
        for (var i = 0; i < 5; i++) _window.Success(i);
        for (var i = 0; i < 3; i++) _window.Failure(i);
        Assert.Equal((8, 3), _window.Count(5));
    }

    [Fact]
    public void Old_results_are_dropped_within_a_tenth_of_the_window()
    {
        _window.Failure(0);
        Assert.Equal((1, 1), _window.Count(900));
        Assert.Equal((0, 0), _window.Count(1000));
    }

    [Fact]
    public void Window_slides()
    {
        for (var now = 0; now < 100_000; now++)
        {
            _window.Success(now);
            if (now > 2000 && now % 37 == 0) Assert.InRange(_window.Count(now).Calls, 900, 1000);
        }
    }

    [Fact]
    public void Late_result_counts_in_the_current_slice()
    {
        _window.Success(5000);
        _window.Failure(4000);
        Assert.Equal((2, 1), _window.Count(5000));
    }

    [Fact]
    public void Check_with_an_earlier_time_drops_no_results()
    {
        _window.Success(5000);
        Assert.Equal((1, 0), _window.Count(4000));
        Assert.Equal((1, 0), _window.Count(5000));
    }

    [Fact]
    public void Shortest_window_works()
    {
        var window = new FailureWindow(0);
        window.Failure(7);
        Assert.Equal((1, 1), window.Count(7));
        Assert.Equal((0, 0), window.Count(100));
    }

    [Fact]
    public async Task Concurrent_counts_add_up_across_slices()
    {
        const int threads = 6;
        const int each = 200_000;

        // A clock that all threads advance, through nine of ten slices, so that nothing expires.
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
