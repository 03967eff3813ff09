using Actors.Fixtures;

namespace Actors.Cluster.Tests.Apps;

/// <summary>Callers that leave before they get a response: they leave the queue and are not charged.</summary>
public sealed class AbortedCallerTests(AppCluster apps) : IClassFixture<AppCluster>
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(200);

    private readonly string _key = Guid.NewGuid().ToString("n");

    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task Aborted_requests_leave_the_queue(string version)
    {
        await using var app = await LimitedApp.StartAsync(apps.Client, limits => limits.ClientIdFrom(_ => _key), Version.Parse(version));
        var first = await apps.Client.RateLimiter(_key).AcquireAsync(new() { Policy = AppCluster.Patient });
        Assert.True(first.IsAllowed);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => app.AbortAsync("/patient", "", Soon)));
        Assert.InRange(await NextAsync() - first.DecidedAt, AppCluster.PatientWindow, 1.9 * AppCluster.PatientWindow);
    }

    [Fact]
    public async Task Cancelled_waiters_leave_the_queue_and_their_grants_are_refunded()
    {
        await using var limiter = new GrainRateLimiter(
            apps.Client, _key, new() { Policy = AppCluster.Patient, MaxWait = RateLimits.MaxWait, CallTimeout = TimeSpan.FromSeconds(30) });
        var first = await apps.Client.RateLimiter(_key).AcquireAsync(new() { Policy = AppCluster.Patient });
        Assert.True(first.IsAllowed);
        using (var gone = new CancellationTokenSource(Soon))
        {
            var waiting = Enumerable.Range(0, 3).Select(_ => limiter.AcquireAsync(1, gone.Token).AsTask()).ToList();
            foreach (var each in waiting) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => each);
        }

        Assert.InRange(await NextAsync() - first.DecidedAt, AppCluster.PatientWindow, 1.9 * AppCluster.PatientWindow);
    }

    [Fact]
    public async Task Calls_cancelled_in_flight_are_not_charged()
    {
        const int Limit = 500, Calls = 300;
        var grain = apps.Client.RateLimiter(_key);
        await grain.SetPolicyAsync(new() { Name = "p", Windows = [new(Limit, TimeSpan.FromMinutes(10))] });
        await using var limiter = new GrainRateLimiter(apps.Client, _key, new() { Policy = "p", CallTimeout = TimeSpan.FromSeconds(30) });
        var granted = await Task.WhenAll(Enumerable.Range(0, Calls).Select(async i =>
        {
            await Task.Delay(i / 4);
            using var gone = new CancellationTokenSource();
            var lease = limiter.AcquireAsync(1, gone.Token).AsTask();
            if (i % 3 > 0)
            {
                SpinWait.SpinUntil(() => lease.IsCompleted, TimeSpan.FromMicroseconds(100 * (i % 10)));
                await gone.CancelAsync();
            }

            try
            {
                return (await lease).IsAcquired ? 1 : 0;
            }
            catch (OperationCanceledException)
            {
                return 0;
            }
        }));

        // The next request reports the remaining permits.
        await Eventually.IsTrueAsync(async () => (await grain.PeekAsync("p")).Remaining == Limit - granted.Sum() - 1);
    }

    // A call that waits for the maximum time and counts from its grant.
    private async Task<DateTimeOffset> NextAsync()
    {
        var next = await apps.Client.RateLimiter(_key).AcquireAsync(new() { Policy = AppCluster.Patient, MaxWait = RateLimits.MaxWait });
        Assert.True(next.IsAllowed);
        return next.DecidedAt;
    }
}
