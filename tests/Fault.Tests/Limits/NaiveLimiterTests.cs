using Actors.Fault.Tests.Limits.Naive;
using Actors.Fixtures;
using Actors.Harness.Limits;
using StackExchange.Redis;

namespace Actors.Fault.Tests.Limits;

/// <summary>
/// Common limiter implementations, run for real: each exceeds its limit, and the checker that passes the cluster's limiter
/// detects that. The correct recipe passes.
/// </summary>
public sealed class NaiveLimiterTests(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly LimitWindow Window = Grants.Window(20, 1);
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Off = TimeSpan.FromSeconds(5);

    private readonly RedisServer _redis = new();
    private ConnectionMultiplexer _connection = null!;

    public async ValueTask InitializeAsync()
    {
        await _redis.StartAsync();
        var options = ConfigurationOptions.Parse($"{_redis.ConnectionString},abortConnect=false,connectTimeout=500,asyncTimeout=500");
        options.BacklogPolicy = BacklogPolicy.FailFast;
        options.ReconnectRetryPolicy = new LinearRetry(100);
        _connection = await ConnectionMultiplexer.ConnectAsync(options);
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _redis.DisposeAsync();
    }

    [Fact]
    public async Task Correct_recipe_is_exact_and_grants_every_permit()
    {
        LimitWindow[] windows = [Grants.Window(100, 0.5), Grants.Window(500, 4)];
        var ledger = await SmallLoad.RunAsync([new StatelessLimiter(_connection.GetDatabase(), "right", windows)], 3 * Usual, mostPermits: 10);
        var first = ledger.Grants.Min(grant => grant.At);
        var report = LimitCheck.Run([ledger], windows, new Steady("all", first, first + 8_900_000));
        output.WriteLine(report.ToString());
        Assert.True(report.IsClean, report.ToString());
        Assert.Equal(windows.Select(window => (long)window.Limit), report.Windows.Select(window => window.ByServer.Permits));
    }

    [Fact]
    public Task Timestamp_as_member_is_detected() => IsCaughtAsync(new TimestampAsMember(Redis, "member", Window));

    [Fact]
    public Task Separate_commands_are_detected() => IsCaughtAsync(new SeparateCommands(Redis, "commands", Window));

    [Fact]
    public Task Client_clock_that_is_ahead_is_detected() =>
        IsCaughtAsync(new ClientClock(Redis, "ahead", Window, TimeSpan.Zero), new ClientClock(Redis, "ahead", Window, Off));

    [Fact]
    public Task Client_clock_that_is_behind_is_detected() =>
        IsCaughtAsync(new ClientClock(Redis, "behind", Window, TimeSpan.Zero), new ClientClock(Redis, "behind", Window, -Off));

    [Fact]
    public Task Permits_that_are_freed_too_early_are_detected() => IsCaughtAsync(new CoarseMirror(Redis, "mirror", Window));

    [Fact]
    public async Task Second_budget_after_an_outage_is_detected()
    {
        var window = Grants.Window(20, 2);
        var load = SmallLoad.RunAsync([new ForgetfulFallback(Redis, "forgetful", window)], 3 * Usual);

        // Beyond the time at which the first grants expire, so that permits are free.
        await Task.Delay(TimeSpan.FromSeconds(1.5));
        await _redis.KillAsync();
        await Task.Delay(TimeSpan.FromSeconds(1.5));
        await _redis.StartAsync();
        AssertOver(await load, window);
    }

    private IDatabase Redis => _connection.GetDatabase();

    private async Task IsCaughtAsync(params ISmallLimiter[] limiters)
    {
        // By the callers' clocks an excess shows only if it lasts longer than the calls, which may be slow on a busy machine.
        const int Loads = 5;
        for (var load = 1; load < Loads; load++)
        {
            if (IsOver(await SmallLoad.RunAsync(limiters, Usual), Window) is (true, true)) return;
        }

        AssertOver(await SmallLoad.RunAsync(limiters, Usual), Window);
    }

    private void AssertOver(GrantLedger ledger, LimitWindow window) => Assert.Equal((true, true), IsOver(ledger, window));

    // Whether the limit is exceeded by the server's time, and by the callers' clocks.
    private (bool ByServer, bool ByCallers) IsOver(GrantLedger ledger, LimitWindow window)
    {
        var report = LimitCheck.Run([ledger], [window]);
        output.WriteLine(report.ToString());
        return (Has("permits by server time"), Has("permits by the caller's clock"));

        bool Has(string text) => report.Findings.Any(finding => finding.Contains(text, StringComparison.Ordinal));
    }
}
