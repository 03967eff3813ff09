using Actors.Membership;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A silo answers from memory only while it knows that it is a member.</summary>
public sealed class MembershipLeaseTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly TwoClocks _clock = new();
    private int _asked;

    [Fact]
    public async Task Proof_covers_all_responses_until_it_expires()
    {
        var lease = Lease(() => Standing.Member);
        Assert.False(lease.IsValid);
        for (var i = 0; i < 100; i++) Assert.Equal(Standing.Member, await lease.ConfirmAsync());
        Assert.Equal(1, _asked);

        _clock.Advance(MembershipLease.Duration - TimeSpan.FromTicks(1));
        Assert.True(lease.IsValid);
        _clock.Advance(TimeSpan.FromTicks(1));
        Assert.False(lease.IsValid);
        Assert.Equal(Standing.Member, await lease.ConfirmAsync());
        Assert.Equal(2, _asked);
    }

    [Fact]
    public async Task Proof_counts_from_its_request()
    {
        var lease = Lease(() =>
        {
            _clock.Advance(2 * Second);
            return Standing.Member;
        });
        await lease.RenewAsync();
        _clock.Advance(MembershipLease.Duration - (2 * Second));
        Assert.False(lease.IsValid);
    }

    [Fact]
    public async Task Proof_requested_before_a_pause_is_not_valid_after_it()
    {
        var first = new TaskCompletionSource<Standing>();
        var lease = new MembershipLease(_clock, _ => ++_asked == 1 ? first.Task : Task.FromResult(Standing.Evicted));
        var renewing = lease.RenewAsync();
        await Task.Delay(50, TestContext.Current.CancellationToken);
        _clock.Advance(28 * Second);

        var confirming = lease.ConfirmAsync();
        first.SetResult(Standing.Member);
        Assert.Equal(Standing.Member, await renewing);
        Assert.Equal(Standing.Evicted, await confirming.AsTask().WaitAsync(Limit, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Time_of_a_suspended_machine_counts_against_the_lease()
    {
        var lease = Lease(() => Standing.Member);
        await lease.RenewAsync();
        _clock.Wall += 28 * Second;
        Assert.False(lease.IsValid);
    }

    [Fact]
    public async Task Wall_clock_set_back_does_not_extend_a_lease()
    {
        var lease = Lease(() => Standing.Member);
        await lease.RenewAsync();
        _clock.Wall -= TimeSpan.FromHours(1);
        Assert.True(lease.IsValid);
        _clock.Monotonic += MembershipLease.Duration;
        Assert.False(lease.IsValid);
    }

    [Fact]
    public async Task Evicted_silo_stays_evicted_and_requests_no_more_proofs()
    {
        var standing = Standing.Member;
        var lease = Lease(() => standing);
        await lease.RenewAsync();
        standing = Standing.Evicted;
        await lease.RenewAsync();
        Assert.False(lease.IsValid);

        standing = Standing.Member;
        Assert.Equal(Standing.Evicted, await lease.RenewAsync());
        Assert.Equal(Standing.Evicted, await lease.ConfirmAsync());
        await Assert.ThrowsAsync<SiloEvictedException>(() => lease.EnsureNotEvictedAsync().AsTask());
        Assert.Equal(2, _asked);
    }

    [Fact]
    public async Task Failed_renewal_blocks_no_caller_until_the_next_renewal()
    {
        var standing = Standing.Unknown;
        var lease = Lease(() => standing);
        Assert.Equal(Standing.Unknown, await lease.RenewAsync());
        for (var i = 0; i < 10; i++) Assert.Equal(Standing.Unknown, await lease.ConfirmAsync());
        await lease.EnsureNotEvictedAsync();
        Assert.Equal(1, _asked);

        standing = Standing.Member;
        await lease.RenewAsync();
        Assert.True(lease.IsValid);
    }

    [Fact]
    public async Task Valid_lease_survives_a_failed_renewal()
    {
        var standing = Standing.Member;
        var lease = Lease(() => standing);
        await lease.RenewAsync();
        standing = Standing.Unknown;
        _clock.Advance(Second);
        await lease.RenewAsync();
        Assert.True(lease.IsValid);
        _clock.Advance(2 * Second);
        Assert.False(lease.IsValid);
    }

    [Fact]
    public async Task Exception_counts_as_no_response()
    {
        var lease = Lease(() => throw new InvalidOperationException("defect"));
        await Assert.ThrowsAsync<InvalidOperationException>(lease.RenewAsync);
        Assert.Equal(Standing.Unknown, await lease.ConfirmAsync());
    }

    [Fact]
    public async Task Concurrent_callers_share_one_proof()
    {
        var asking = new TaskCompletionSource<Standing>();
        var lease = new MembershipLease(_clock, _ =>
        {
            Interlocked.Increment(ref _asked);
            return asking.Task;
        });
        var callers = Enumerable.Range(0, 100).Select(_ => lease.ConfirmAsync().AsTask()).ToList();
        asking.SetResult(Standing.Member);
        Assert.All(await Task.WhenAll(callers), standing => Assert.Equal(Standing.Member, standing));
        Assert.Equal(1, _asked);
    }

    /// <summary>
    /// For any pauses and any response times: nothing is answered from memory once other silos may have changed the users. That
    /// is a lease after they declared the silo dead.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Dead_silo_answers_nothing_from_memory_after_its_lease(int seed)
    {
        var random = new Random(seed);
        var (late, answers) = (0, 0);
        for (var run = 0; run < 2_000; run++)
        {
            var diesAt = _clock.Monotonic + (random.NextDouble() * 60 * Second);
            var lease = Lease(() =>
            {
                Pause(random.Next(4));
                var standing = random.Next(10) == 0 ? Standing.Unknown : _clock.Monotonic >= diesAt ? Standing.Evicted : Standing.Member;
                Pause(random.Next(4));
                return standing;
            });
            while (_clock.Monotonic < diesAt + (30 * Second))
            {
                Pause(random.Next(8));
                if (random.Next(2) == 0) await lease.RenewAsync();
                else await lease.ConfirmAsync();
                if (!lease.IsValid) continue;
                answers++;
                if (_clock.Monotonic >= diesAt + MembershipLease.Duration) late++;
            }
        }

        Assert.Equal(0, late);
        Assert.True(answers > 1_000, $"{answers}");

        void Pause(int kind) => _clock.Advance(kind switch
        {
            0 => TimeSpan.FromMilliseconds(random.Next(10)),
            1 => random.NextDouble() * Second,
            2 => random.NextDouble() * 3 * Second,
            3 => random.NextDouble() * 30 * Second,
            _ => TimeSpan.FromMilliseconds(200),
        });
    }

    private MembershipLease Lease(Func<Standing> standing) => new(_clock, _ =>
    {
        _asked++;
        return Task.FromResult(standing());
    });

    private sealed class TwoClocks : TimeProvider
    {
        public TimeSpan Monotonic { get; set; } = TimeSpan.FromDays(1);

        public TimeSpan Wall { get; set; } = TimeSpan.FromDays(20_000);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Monotonic.Ticks;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + Wall;

        public void Advance(TimeSpan time) => (Monotonic, Wall) = (Monotonic + time, Wall + time);
    }
}
