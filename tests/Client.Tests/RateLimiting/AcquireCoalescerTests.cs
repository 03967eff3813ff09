using System.Threading.RateLimiting;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Client.Tests.RateLimiting;

/// <summary>How calls of one client are coalesced, and how they end when the cluster does not answer.</summary>
public sealed class AcquireCoalescerTests
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(1);
    private static readonly RateLimitRequest One = RateLimitRequest.Default;

    private readonly FakeTimeProvider _time = new();
    private readonly PlayedGrain _grain = new();
    private readonly Outage _outage;
    private readonly PlayedLimiter _limiter = new();
    private readonly LeaseSource _leases;
    private readonly TaskCompletionSource _retired = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly AcquireCoalescer _gathered;

    public AcquireCoalescerTests()
    {
        _outage = new(_time, NullLogger.Instance);
        _leases = Leases(WhenUnreachable.Allow);
        _gathered = New(_grain.AcquireManyAsync, () => _retired.SetResult());
    }

    [Fact]
    public async Task Calls_that_arrive_while_one_is_in_flight_join_the_next_batch()
    {
        var first = Ask();
        var call = await _grain.NextAsync();
        var others = Enumerable.Range(0, 255).Select(_ => Ask()).ToList();
        Assert.Single(call.Requests);
        call.Answer();
        Assert.True((await first).IsAcquired);

        call = await _grain.NextAsync();
        Assert.Equal(255, call.Requests.Length);
        call.Answer();
        Assert.All(await Task.WhenAll(others), lease => Assert.True(lease.IsAcquired));

        await _retired.Task;
        Assert.False(_gathered.TryAdd(new("a", One, _leases, CancellationToken.None), 1));
        Assert.Equal((256, 0), Counts());
    }

    [Fact]
    public async Task Batch_has_at_most_the_maximum_size_and_each_call_gets_its_response()
    {
        var first = Ask();
        var call = await _grain.NextAsync();
        var others = Enumerable.Range(1, 2 * RateLimits.MaxBatch).Select(i => Ask(new() { Permits = i })).ToList();
        call.Answer();
        await first;
        for (var batch = 0; batch < 2; batch++)
        {
            call = await _grain.NextAsync();
            Assert.Equal(Enumerable.Range(1 + (batch * RateLimits.MaxBatch), RateLimits.MaxBatch), call.Requests.Select(request => request.Permits));
            call.Answer();
        }

        // The fake grain reports as many remaining permits as the request asked for.
        var leases = await Task.WhenAll(others);
        Assert.Equal(Enumerable.Range(1, 2 * RateLimits.MaxBatch), leases.Select(Remaining));
    }

    [Fact]
    public async Task Call_beyond_the_queue_limit_is_denied_at_once()
    {
        var first = Ask(maxQueued: 2);
        var call = await _grain.NextAsync();
        List<Task<RateLimitLease>> waiting = [Ask(maxQueued: 2), Ask(maxQueued: 2)];
        AssertOverloaded(await Ask(maxQueued: 2), TimeSpan.FromSeconds(1));
        Assert.False(_outage.IsTotal);
        call.Answer();
        (await _grain.NextAsync()).Answer();
        Assert.All(await Task.WhenAll([first, .. waiting]), lease => Assert.False(IsUndecided(lease)));
    }

    [Fact]
    public async Task Overdue_batch_leaves_its_calls_and_later_ones_undecided_until_the_grain_answers()
    {
        var first = Ask();
        var call = await _grain.NextAsync();
        var waiting = Ask();
        while (await Task.WhenAny(first, Task.Delay(10)) != first) _time.Advance(CallTimeout);
        Assert.True(IsUndecided(await first));
        Assert.True(IsUndecided(await waiting));
        Assert.True(_outage.IsTotal);

        for (var i = 0; i < 100; i++)
        {
            // The clock does not advance: no call waits.
            var next = Ask();
            Assert.True(IsUndecided(await next));
        }

        await AnswerProbeAsync(isWell: false);
        Assert.True(IsUndecided(await Ask()));
        await AnswerProbeAsync(isWell: true);
        await _retired.Task;
        Assert.False(_outage.IsTotal);
        Assert.Equal(1, _grain.Calls);
    }

    [Fact]
    public async Task Failed_call_is_treated_as_unanswered()
    {
        var lease = Ask();
        (await _grain.NextAsync()).Fail(new SiloUnavailableException("gone"));
        Assert.True(IsUndecided(await lease));
        Assert.True(IsUndecided(await Ask()));
    }

    [Fact]
    public async Task Idle_client_causes_no_calls()
    {
        var lease = Ask();
        (await _grain.NextAsync()).Fail(new TimeoutException());
        await lease;
        await AnswerProbeAsync(isWell: false);
        await _retired.Task;
        Assert.False(_outage.IsTotal);
    }

    [Fact]
    public async Task Invalid_request_fails_alone()
    {
        var first = Ask();
        var call = await _grain.NextAsync();
        var wrong = Ask(new() { Policy = "unknown" });
        var others = Enumerable.Range(0, 10).Select(_ => Ask()).ToList();
        call.Answer();
        await first;
        (await _grain.NextAsync()).Fail(new InvalidRateLimitException("no such policy"));

        // The coalescer retries each kind of request separately.
        (await _grain.NextAsync()).Fail(new InvalidRateLimitException("no such policy"));
        call = await _grain.NextAsync();
        Assert.Equal(10, call.Requests.Length);
        call.Answer();
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => wrong);
        Assert.All(await Task.WhenAll(others), lease => Assert.True(lease.IsAcquired));
        Assert.Equal((11, 0), Counts());
    }

    [Fact]
    public async Task Overloaded_silo_is_a_denial_and_not_an_outage()
    {
        foreach (var (error, retryAfter) in ((Exception, TimeSpan)[])[
            (new OverloadedException("full", TimeSpan.FromSeconds(7)), TimeSpan.FromSeconds(7)),
            (new OverloadedException("full", TimeSpan.Zero), TimeSpan.FromSeconds(1)),
            (new GatewayTooBusyException("busy"), TimeSpan.FromSeconds(1)),
            (new LimitExceededException("queue"), TimeSpan.FromSeconds(1))])
        {
            var gathered = New(_grain.AcquireManyAsync, () => { });
            var lease = Ask(to: gathered);
            (await _grain.NextAsync()).Fail(error);
            AssertOverloaded(await lease, retryAfter);
            Assert.False(_outage.IsTotal);
            Assert.False(gathered.IsSilent());
        }
    }

    [Fact]
    public async Task Undecided_response_leaves_calls_undecided_and_the_grain_is_called_again()
    {
        var lease = Ask();
        (await _grain.NextAsync()).Fail(new StorageUnavailableException("Redis", "away"));
        var undecided = await lease;
        Assert.True(IsUndecided(undecided) && undecided.IsAcquired);
        Assert.False(_gathered.IsSilent());
    }

    [Fact]
    public async Task Grant_to_a_cancelled_caller_is_refunded()
    {
        using var cancellation = new CancellationTokenSource();
        var first = Ask();
        var call = await _grain.NextAsync();
        var stays = Ask(new() { Permits = 2 });
        var leaves = Ask(new() { Permits = 3 }, cancellationToken: cancellation.Token);
        call.Answer();
        await first;
        call = await _grain.NextAsync();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => leaves);
        call.Answer();
        Assert.True((await stays).IsAcquired);
        Assert.Equal([new("default", 3, DateTimeOffset.UnixEpoch)], await _limiter.NextUnusedAsync());
    }

    [Theory]
    [InlineData(WhenUnreachable.Deny)]
    [InlineData(WhenUnreachable.Allow)]
    public async Task Late_grant_is_refunded_unless_its_caller_was_allowed(WhenUnreachable told)
    {
        using var cancellation = new CancellationTokenSource();
        using var leases = Leases(told);
        var lease = Ask(leases: leases);
        var call = await _grain.NextAsync();
        while (await Task.WhenAny(lease, Task.Delay(10)) != lease) _time.Advance(CallTimeout);
        Assert.Equal(told == WhenUnreachable.Allow, (await lease).IsAcquired);
        call.Answer();

        // A grant of an allowed caller is not refunded; the refund of the next caller shows that.
        if (told == WhenUnreachable.Allow) _leases.GiveBack("a", new() { Permits = 7 }, PlayedGrain.Granted(One));
        Assert.Equal(told == WhenUnreachable.Allow ? 7 : 1, Assert.Single(await _limiter.NextUnusedAsync()).Permits);
    }

    [Fact]
    public async Task Uncharged_call_is_not_refunded()
    {
        var granted = PlayedGrain.Granted(One);
        var unused = new UnusedGrants(_ => _limiter);
        unused.GiveBack("a", One, granted with { IsShadowDenial = true });
        unused.GiveBack("a", One, granted with { IsAllowed = false });
        unused.GiveBack("a", One, granted with { Source = RateLimitSource.Local });
        unused.GiveBack("a", One with { Permits = 0 }, granted);
        unused.GiveBack("a", One with { Permits = 9 }, granted);
        Assert.Equal(9, Assert.Single(await _limiter.NextUnusedAsync()).Permits);
    }

    [Fact]
    public async Task Call_cancelled_in_the_queue_ends_at_once_and_is_not_sent()
    {
        var first = Ask();
        var call = await _grain.NextAsync();
        using var cancellation = new CancellationTokenSource();
        var cancelled = Ask(cancellationToken: cancellation.Token);
        var other = Ask();
        await cancellation.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Equal(cancellation.Token, error.CancellationToken);

        call.Answer();
        call = await _grain.NextAsync();
        Assert.Single(call.Requests);
        call.Answer();
        await Task.WhenAll(first, other);
        Assert.Equal((2, 0), Counts());
    }

    [Fact]
    public async Task Concurrent_callers_get_their_own_responses_in_few_calls()
    {
        const int Callers = 64, Each = 2_000;
        var calls = 0;
        var gathered = New(AnswerAsync, () => { });
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            for (var i = 1; i <= Each; i++)
            {
                var mine = (caller * Each) + i;
                var acquisition = new Acquisition("a", new() { Permits = mine }, _leases, CancellationToken.None);
                for (var to = gathered; !to.TryAdd(acquisition, Callers); to = gathered)
                    Interlocked.CompareExchange(ref gathered, New(AnswerAsync, () => { }), to);
                Assert.Equal(mine, Remaining(await acquisition.Lease));
            }
        })));
        Assert.Equal((Callers * Each, 0), Counts());
        Assert.InRange(calls, 1, Callers * Each / 2);

        async Task<RateLimitDecision[]> AnswerAsync(RateLimitRequest[] requests)
        {
            Interlocked.Increment(ref calls);
            await Task.Yield();
            return [.. requests.Select(PlayedGrain.Granted)];
        }
    }

    private LeaseSource Leases(WhenUnreachable told) => new(new RateLimitCalls(_ => _limiter, _time), new() { WhenUnreachable = told });

    private AcquireCoalescer New(Func<RateLimitRequest[], Task<RateLimitDecision[]>> acquire, Action retired) =>
        new("a", acquire, _grain.ProbeAsync, CallTimeout, _outage, new(_time), new(_ => _limiter), _time, _ => retired());

    private Task<RateLimitLease> Ask(
        RateLimitRequest? request = null, int maxQueued = 10_000, AcquireCoalescer? to = null, LeaseSource? leases = null,
        CancellationToken cancellationToken = default)
    {
        var acquisition = new Acquisition("a", request ?? One, leases ?? _leases, cancellationToken);
        Assert.True((to ?? _gathered).TryAdd(acquisition, maxQueued));
        return acquisition.Lease.AsTask();
    }

    private static void AssertOverloaded(RateLimitLease lease, TimeSpan retryAfter)
    {
        Assert.False(lease.IsAcquired);
        Assert.True(lease.TryGetMetadata(MetadataName.RetryAfter, out var after));
        Assert.Equal(retryAfter, after);
    }

    private async Task AnswerProbeAsync(bool isWell)
    {
        var probe = _grain.NextProbeAsync();
        while (await Task.WhenAny(probe, Task.Delay(10)) != probe) _time.Advance(TimeSpan.FromMilliseconds(500));
        if (isWell) (await probe).SetResult(PlayedGrain.Granted(One));
        else (await probe).SetException(new SiloUnavailableException("still gone"));
    }

    private (long Granted, long Denied) Counts() => (_leases.Statistics.TotalSuccessfulLeases, _leases.Statistics.TotalFailedLeases);

    private static bool IsUndecided(RateLimitLease lease) => lease.TryGetMetadata(RateLimitMetadata.IsUndecided, out var undecided) && undecided;

    private static int Remaining(RateLimitLease lease) => lease.TryGetMetadata(RateLimitMetadata.Remaining, out var left) ? left : -1;
}
