using System.Threading.RateLimiting;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Client.Tests.RateLimiting;

/// <summary>How calls that wait in the cluster end.</summary>
public sealed class WaitingCallTests
{
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(1);

    private readonly FakeTimeProvider _time = new();
    private readonly PlayedLimiter _grain = new();

    [Fact]
    public async Task Cancelled_caller_ends_at_once_and_the_cluster_is_notified()
    {
        await using var limiter = Limiter();
        using var cancellation = new CancellationTokenSource();
        var lease = limiter.AcquireAsync(1, cancellation.Token).AsTask();
        var call = await _grain.NextWaitAsync();
        await cancellation.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => lease);
        Assert.Equal(cancellation.Token, error.CancellationToken);

        // First the call is cancelled; a grant of that moment is refunded.
        await AssertGivenBackAsync(call);
        Assert.True(call.Cancelled.IsCancellationRequested);
        Assert.Equal((0, 0), Counts(limiter));
    }

    [Fact]
    public async Task Cancelling_one_caller_leaves_the_others_waiting()
    {
        await using var limiter = Limiter();
        using var cancellation = new CancellationTokenSource();
        var leaves = limiter.AcquireAsync(1, cancellation.Token).AsTask();
        var left = await _grain.NextWaitAsync();
        var stays = limiter.AcquireAsync(2).AsTask();
        var call = await _grain.NextWaitAsync();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaves);
        await AssertGivenBackAsync(left);
        Assert.NotEqual(left.Request.CallId, call.Request.CallId);
        Assert.False(call.Cancelled.IsCancellationRequested);
        call.Answer.SetResult(PlayedGrain.Granted(call.Request));
        Assert.True((await stays).IsAcquired);
    }

    [Fact]
    public async Task Disposed_limiter_ends_its_waiting_callers_without_a_lease()
    {
        var limiter = Limiter();
        var lease = limiter.AcquireAsync().AsTask();
        var call = await _grain.NextWaitAsync();
        await limiter.DisposeAsync();
        Assert.False((await lease).IsAcquired);
        await AssertGivenBackAsync(call);
        Assert.True(call.Cancelled.IsCancellationRequested);
    }

    [Theory]
    [InlineData(WhenUnreachable.Allow)]
    [InlineData(WhenUnreachable.Deny)]
    public async Task Unanswered_call_ends_after_its_wait_and_the_call_timeout(WhenUnreachable told)
    {
        await using var limiter = Limiter(told);
        var lease = limiter.AcquireAsync().AsTask();
        var call = await _grain.NextWaitAsync();
        _time.Advance(MaxWait);
        Assert.False(lease.IsCompleted);
        while (await Task.WhenAny(lease, Task.Delay(10)) != lease) _time.Advance(CallTimeout);
        Assert.Equal(told == WhenUnreachable.Allow, (await lease).IsAcquired);
        await CancelledAsync(call);
        if (told == WhenUnreachable.Deny) await AssertGivenBackAsync(call);
    }

    [Fact]
    public async Task Call_is_retried_after_a_move_with_its_id_and_remaining_wait()
    {
        await using var limiter = Limiter();
        var lease = limiter.AcquireAsync().AsTask();
        var first = await _grain.NextWaitAsync();
        Assert.Equal(MaxWait, first.Request.MaxWait);
        _time.Advance(TimeSpan.FromSeconds(4));
        first.Answer.SetException(new LimiterMovedException("moved"));
        var second = await AfterPauseAsync();
        Assert.Equal(first.Request.CallId, second.Request.CallId);
        Assert.InRange(second.Request.MaxWait, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(6));

        // A call cancelled in the cluster is refunded there.
        second.Answer.SetException(new LimiterMovedException("moved"));
        var third = await AfterPauseAsync();
        third.Answer.SetResult(PlayedGrain.Granted(third.Request));
        Assert.True((await lease).IsAcquired);
    }

    [Fact]
    public async Task Repeated_moves_of_a_limiter_do_not_exceed_the_time_of_a_call()
    {
        await using var limiter = Limiter(WhenUnreachable.Deny);
        var lease = limiter.AcquireAsync().AsTask();
        var began = _time.GetTimestamp();
        while (!lease.IsCompleted)
        {
            var wait = _grain.NextWaitAsync();
            while (await Task.WhenAny(wait, lease, Task.Delay(10)) is var done && done != wait && done != lease)
                _time.Advance(TimeSpan.FromMilliseconds(50));
            if (!wait.IsCompleted) break;
            Assert.InRange((await wait).Request.MaxWait, TimeSpan.Zero, MaxWait);
            _time.Advance(TimeSpan.FromSeconds(1));
            (await wait).Answer.SetException(new LimiterMovedException("moved"));
        }

        Assert.False((await lease).IsAcquired);
        Assert.InRange(_time.GetElapsedTime(began), MaxWait, MaxWait + (3 * CallTimeout));
    }

    [Fact]
    public async Task Overloaded_silo_denies_a_waiting_caller()
    {
        await using var limiter = Limiter();
        var lease = limiter.AcquireAsync().AsTask();
        (await _grain.NextWaitAsync()).Answer.SetException(new OverloadedException("full", TimeSpan.FromSeconds(7)));
        var denied = await lease;
        Assert.False(denied.IsAcquired);
        Assert.True(denied.TryGetMetadata(MetadataName.RetryAfter, out var after));
        Assert.Equal(TimeSpan.FromSeconds(7), after);
    }

    private GrainRateLimiter Limiter(WhenUnreachable told = WhenUnreachable.Allow) =>
        new(new RateLimitCalls(_ => _grain, _time), "a", new() { MaxWait = MaxWait, CallTimeout = CallTimeout, WhenUnreachable = told });

    private async Task AssertGivenBackAsync(PlayedWait call)
    {
        Assert.NotNull(call.Request.CallId);
        var grant = Assert.Single(await _grain.NextUnusedAsync());
        Assert.Equal(new(call.Request.Policy, call.Request.Permits, default) { CallId = call.Request.CallId }, grant);

        // It does not evict request ids of the app.
        Assert.Null(call.Request.RequestId);
    }

    private async Task<PlayedWait> AfterPauseAsync()
    {
        var next = _grain.NextWaitAsync();
        while (await Task.WhenAny(next, Task.Delay(10)) != next) _time.Advance(TimeSpan.FromMilliseconds(10));
        return await next;
    }

    private static async Task CancelledAsync(PlayedWait call)
    {
        var cancelled = new TaskCompletionSource();
        await using var registration = call.Cancelled.Register(cancelled.SetResult);
        await cancelled.Task;
    }

    private static (long Granted, long Denied) Counts(RateLimiter limiter) =>
        limiter.GetStatistics() is { } statistics ? (statistics.TotalSuccessfulLeases, statistics.TotalFailedLeases) : default;
}
