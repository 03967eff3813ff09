using System.Diagnostics.Metrics;
using System.Threading.RateLimiting;

namespace Actors.Cluster.Tests.Apps;

/// <summary>The cluster limiter as a .NET RateLimiter, tested over real silos and a real Redis.</summary>
public sealed class GrainRateLimiterTests(ServersFixture servers) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);

    private readonly string _id = Guid.NewGuid().ToString("n");
    private TestCluster _cluster = null!;
    private ActorsClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _cluster = await TestCluster.StartAsync(servers, silos: 2);
        _client = new(_cluster.Silos.Client);
    }

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Leases_are_granted_up_to_the_limit_and_report_remaining_permits()
    {
        await using var limiter = await LimiterAsync(new RateLimitWindow(5, Long));
        using (var lease = await limiter.AcquireAsync(2))
        {
            Assert.True(lease.IsAcquired);
            Assert.Equal(3, Of(lease, RateLimitMetadata.Remaining));
            Assert.Equal(5, Of(lease, RateLimitMetadata.Limit));
            Assert.Equal("p", Of(lease, RateLimitMetadata.Policy));
            Assert.Equal(RateLimitSource.Redis, Of(lease, RateLimitMetadata.Source));
            Assert.InRange(Of(lease, RateLimitMetadata.ResetAfter), Long / 2, Long);
            Assert.False(lease.TryGetMetadata(MetadataName.RetryAfter, out _));
            Assert.All(lease.MetadataNames, name => Assert.True(lease.TryGetMetadata(name, out _), name));
        }

        // Leases stay charged after disposal, also for another limiter.
        await using var other = new GrainRateLimiter(_client, _id, new() { Policy = "p" });
        Assert.True((await other.AcquireAsync(3)).IsAcquired);
        using var denied = await limiter.AcquireAsync();
        Assert.False(denied.IsAcquired);
        Assert.InRange(Of(denied, MetadataName.RetryAfter), Long / 2, Long);
        Assert.Contains("5 per 00:10:00", Of(denied, MetadataName.ReasonPhrase), StringComparison.Ordinal);
        Assert.Equal(0, Of(denied, RateLimitMetadata.Decision)!.Remaining);
        Assert.All(denied.MetadataNames, name => Assert.True(denied.TryGetMetadata(name, out _), name));
    }

    [Fact]
    public async Task AttemptAcquire_grants_and_a_probe_charges_nothing()
    {
        await using var limiter = await LimiterAsync(new RateLimitWindow(2, Long), new() { MaxWait = RateLimits.MaxWait });
        Assert.True(limiter.AttemptAcquire(0).IsAcquired);
        Assert.True(limiter.AttemptAcquire().IsAcquired);
        Assert.True(limiter.AttemptAcquire().IsAcquired);
        Assert.False(limiter.AttemptAcquire(0).IsAcquired);

        // AttemptAcquire never waits for permits, whatever the limiter's options.
        Assert.False(limiter.AttemptAcquire().IsAcquired);
        Assert.False((await limiter.AcquireAsync(0)).IsAcquired);
    }

    [Fact]
    public async Task Invalid_permit_counts_and_disposed_limiters_fail_as_in_NET()
    {
        var limiter = await LimiterAsync(new RateLimitWindow(5, Long));
        Assert.Throws<ArgumentOutOfRangeException>(() => limiter.AttemptAcquire(-1));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await limiter.AcquireAsync(-1));
        Assert.Equal("permitCount", Assert.Throws<ArgumentOutOfRangeException>(() => limiter.AttemptAcquire(6)).ParamName);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await limiter.AcquireAsync(6));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await limiter.AcquireAsync(int.MaxValue));
        await using var unknown = new GrainRateLimiter(_client, _id, new() { Policy = "unknown" });
        await Assert.ThrowsAsync<InvalidRateLimitException>(async () => await unknown.AcquireAsync());
        await Assert.ThrowsAsync<InvalidRateLimitException>(async () => await unknown.AcquireAsync(2));
        Assert.Equal((0, 0), Counts(limiter));
        Assert.True((await limiter.AcquireAsync(5)).IsAcquired);

        await limiter.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => limiter.AttemptAcquire());
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await limiter.AcquireAsync());
        Assert.Throws<ObjectDisposedException>(() => limiter.GetStatistics());
    }

    [Fact]
    public void Options_and_ids_are_validated_before_any_call()
    {
        Assert.Throws<InvalidRateLimitException>(() => new GrainRateLimiter(_client, ""));
        Assert.Throws<InvalidRateLimitException>(() => new GrainRateLimiter(_client, "a", new() { Policy = "no policy" }));
        foreach (var options in (GrainRateLimiterOptions[])[
            new() { MaxWait = -TimeSpan.FromSeconds(1) }, new() { MaxWait = TimeSpan.FromHours(1) }, new() { CallTimeout = TimeSpan.Zero },
            new() { MaxQueued = 0 }, new() { WhenUnreachable = (WhenUnreachable)7 }])
        {
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => new GrainRateLimiter(_client, "a", options));
            Assert.Contains("; use ", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Statistics_count_leases_and_report_idleness()
    {
        await using var limiter = await LimiterAsync(new RateLimitWindow(2, RateLimits.MaxWait - TimeSpan.FromSeconds(1)), new() { MaxWait = RateLimits.MaxWait });
        Assert.True((await limiter.AcquireAsync()).IsAcquired);
        Assert.Equal(1, limiter.GetStatistics().CurrentAvailablePermits);
        Assert.True((await limiter.AcquireAsync()).IsAcquired);
        Assert.False(limiter.AttemptAcquire().IsAcquired);
        Assert.Equal((2, 1), Counts(limiter));
        Assert.NotNull(limiter.IdleDuration);

        using var cancellation = new CancellationTokenSource();
        var waiting = limiter.AcquireAsync(1, cancellation.Token).AsTask();
        Assert.Null(limiter.IdleDuration);
        Assert.Equal(1, limiter.GetStatistics().CurrentQueuedCount);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        var idle = limiter.IdleDuration;
        await Task.Delay(20);
        Assert.True(limiter.IdleDuration > idle);
        Assert.Equal(0, limiter.GetStatistics().CurrentQueuedCount);
    }

    [Fact]
    public async Task Waiting_caller_is_granted_when_permits_come_free_and_blocks_no_other()
    {
        await using var limiter = await LimiterAsync(new RateLimitWindow(1, TimeSpan.FromSeconds(1)), new() { MaxWait = RateLimits.MaxWait });
        await _client.RateLimiter(_id).SetPolicyAsync(new() { Name = "other", Windows = [new(1, Long)] });
        await using var other = new GrainRateLimiter(_client, _id, new() { Policy = "other" });
        var leases = Enumerable.Range(0, 3).Select(_ => limiter.AcquireAsync().AsTask()).ToList();
        Assert.True((await other.AcquireAsync()).IsAcquired);
        Assert.All(await Task.WhenAll(leases), lease => Assert.True(lease.IsAcquired));
    }

    [Fact]
    public async Task Concurrent_callers_are_granted_exactly_the_limit_in_few_calls()
    {
        const int Limit = 5_000, Callers = 256, Each = 40;
        await using var limiter = await LimiterAsync(new RateLimitWindow(Limit, Long), new() { CallTimeout = TimeSpan.FromMinutes(1) });
        await using var other = new GrainRateLimiter(_client, _id, new() { Policy = "p", CallTimeout = TimeSpan.FromMinutes(1) });
        var calls = 0;
        using var listener = Listen((instrument, _) => calls += instrument == RateLimitClientTelemetry.CallDecisions ? 1 : 0);
        var granted = await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            var mine = 0;
            for (var i = 0; i < Each; i++) mine += (await (caller % 2 == 0 ? limiter : other).AcquireAsync()).IsAcquired ? 1 : 0;
            return mine;
        })));
        Assert.Equal(Limit, granted.Sum());
        Assert.Equal((Limit, (Callers * Each) - Limit), (Counts(limiter).Granted + Counts(other).Granted, Counts(limiter).Denied + Counts(other).Denied));
        Assert.InRange(calls, 1, Callers * Each / 10);
    }

    [Theory]
    [InlineData(WhenUnreachable.Allow)]
    [InlineData(WhenUnreachable.Deny)]
    public async Task Limiter_follows_its_outage_setting_without_a_silo(WhenUnreachable told)
    {
        await using var limiter = await LimiterAsync(
            new RateLimitWindow(1, Long), new() { WhenUnreachable = told, CallTimeout = TimeSpan.FromMilliseconds(300) });
        Assert.True((await limiter.AcquireAsync()).IsAcquired);
        foreach (var silo in _cluster.Silos.Silos.ToList()) await _cluster.Silos.KillSiloAsync(silo);
        for (var i = 0; i < 20; i++)
        {
            using var lease = i % 2 == 0 ? await limiter.AcquireAsync() : limiter.AttemptAcquire(i % 3);
            Assert.Equal(told == WhenUnreachable.Allow, lease.IsAcquired);
            Assert.True(Of(lease, RateLimitMetadata.IsUndecided));
            Assert.All(lease.MetadataNames, name => Assert.True(lease.TryGetMetadata(name, out _), name));
            Assert.Equal(told == WhenUnreachable.Deny, lease.TryGetMetadata(MetadataName.RetryAfter, out var after) && after > TimeSpan.Zero);
        }
    }

    [Fact]
    public async Task Resources_are_charged_to_their_client_by_their_policy()
    {
        await SetPolicyAsync(_id + "-a", new RateLimitWindow(4, Long));
        await SetPolicyAsync(_id + "-b", new RateLimitWindow(4, Long));
        await using var limiter = new GrainPartitionedRateLimiter<(string Client, int Weight)>(
            _client, resource => new($"{_id}-{resource.Client}", "p", resource.Weight));
        Assert.True((await limiter.AcquireAsync(("a", 2))).IsAcquired);
        Assert.True(limiter.AttemptAcquire(("a", 1), 2).IsAcquired);
        Assert.False((await limiter.AcquireAsync(("a", 1))).IsAcquired);
        Assert.True((await limiter.AcquireAsync(("b", 4))).IsAcquired);
        Assert.Equal(3, limiter.GetStatistics(("a", 1)).TotalSuccessfulLeases);
        await limiter.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => limiter.AttemptAcquire(("a", 1)));
    }

    [Fact]
    public async Task Decisions_are_counted_by_outcome()
    {
        var outcomes = new List<string>();
        using var listener = Listen((instrument, tags) =>
        {
            if (instrument == RateLimitClientTelemetry.Decisions && tags.GetValueOrDefault(RateLimitClientTelemetry.PolicyTag) is "p")
                outcomes.Add((string)tags[RateLimitClientTelemetry.OutcomeTag]!);
        });
        await using var limiter = await LimiterAsync(new RateLimitWindow(1, Long));
        await limiter.AcquireAsync();
        await limiter.AcquireAsync();
        await _client.RateLimiter(_id).SetPolicyAsync(new() { Name = "p", Windows = [new(1, Long)], IsShadow = true });
        Assert.True((await limiter.AcquireAsync()).IsAcquired);
        lock (outcomes) Assert.Equal(["allowed", "denied", "shadow_denied"], outcomes);
    }

    private static MeterListener Listen(Action<string, Dictionary<string, object?>> measured)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == RateLimitClientTelemetry.MeterName) listener.EnableMeasurementEvents(instrument);
            },
        };
        var gate = new Lock();
        listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Tell(instrument.Name, tags));
        listener.SetMeasurementEventCallback<int>((instrument, _, tags, _) => Tell(instrument.Name, tags));
        listener.Start();
        return listener;

        void Tell(string instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var named = new Dictionary<string, object?>(tags.ToArray());
            lock (gate) measured(instrument, named);
        }
    }

    private async Task<GrainRateLimiter> LimiterAsync(RateLimitWindow window, GrainRateLimiterOptions? options = null)
    {
        await SetPolicyAsync(_id, window);
        options ??= new();

        // Tests of an outage set a shorter timeout.
        if (options.CallTimeout == TimeSpan.FromSeconds(1)) options.CallTimeout = TimeSpan.FromSeconds(30);
        options.Policy = "p";
        return new(_client, _id, options);
    }

    private Task SetPolicyAsync(string id, RateLimitWindow window) =>
        _client.RateLimiter(id).SetPolicyAsync(new() { Name = "p", Windows = [window] });

    private static T? Of<T>(RateLimitLease lease, MetadataName<T> name)
    {
        Assert.True(lease.TryGetMetadata(name, out var value), $"The lease has no {name.Name}.");
        return value;
    }

    private static (long Granted, long Denied) Counts(RateLimiter limiter) =>
        limiter.GetStatistics() is { } statistics ? (statistics.TotalSuccessfulLeases, statistics.TotalFailedLeases) : default;
}
