using System.Text.Json;
using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>
/// One component fails under load and recovers. The tests share a deployment of two silos; each test must leave it healthy.
/// </summary>
public sealed class OneFaultTests(OneFaultTests.Shared shared, ITestOutputHelper output) : IClassFixture<OneFaultTests.Shared>
{
    // Several times the detection time.
    private static readonly TimeSpan Away = TimeSpan.FromSeconds(6);

    // Generous: a commit may take 10 s, and a client gives up after 30 s.
    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(25);

    private readonly Trial _trial = new(shared.Deployment, output);

    [Fact]
    public async Task Journaled_writes_and_reads_succeed_without_PostgreSQL()
    {
        await TryAsync("postgres-stop", Away);
        AssertNoneFailed(_trial.Journal, _trial.Reads);
        AssertAnswered("StorageUnavailableException", "OverloadedException");
    }

    [Fact]
    public async Task Calls_succeed_and_writes_go_to_the_database_without_Redis()
    {
        // Redis loses its last writes too, which a kill alone does not cause.
        await TryAsync("redis-lose-tail", Away);
        AssertNoneFailed(_trial.Journal, _trial.Database, _trial.Reads);
        Assert.True(_trial.Journal.Durabilities!["database"] > 0, _trial.Describe());
    }

    [Fact]
    public async Task Calls_succeed_with_a_slow_PostgreSQL()
    {
        await TryAsync("postgres-slow", TimeSpan.FromSeconds(5));
        AssertNoneFailed(_trial.Journal, _trial.Database, _trial.Reads);
    }

    [Fact]
    public async Task Calls_succeed_and_writes_go_to_the_database_with_a_silent_Redis()
    {
        await TryAsync("redis-pause", Away);
        AssertNoneFailed(_trial.Journal, _trial.Database, _trial.Reads);
        Assert.True(_trial.Journal.Durabilities!["database"] > 0, _trial.Describe());
    }

    [Fact]
    public async Task Calls_succeed_with_a_busy_Redis()
    {
        await TryAsync("redis-busy", TimeSpan.FromSeconds(5));
        AssertNoneFailed(_trial.Journal, _trial.Database, _trial.Reads);
    }

    [Fact]
    public async Task Calls_succeed_with_one_silo_partitioned_from_Redis()
    {
        await _trial.RunAsync(async () =>
        {
            await using var cut = await Faults.Find("redis-cut-one-silo").BeginAsync(shared.Deployment, silo: 1);
            await Task.Delay(Away);

            // Half-open at times during probes; the other silo is not affected.
            var states = await BreakerStatesAsync();
            output.WriteLine($"Cut off: {string.Join(", ", states)}");
            Assert.Single(states, state => state == "closed");
            Assert.Single(states, state => state is "open" or "halfOpen");
        });
        await Eventually.IsTrueAsync(async () => (await BreakerStatesAsync()).TrueForAll(state => state == "closed"));
        AssertNoneFailed(_trial.Journal, _trial.Database, _trial.Reads);
        Assert.True(_trial.Journal.Durabilities!["database"] > 0, _trial.Describe());
    }

    [Fact]
    public async Task Calls_without_PostgreSQL_and_Redis_fail_in_time_with_the_reason()
    {
        await _trial.RunAsync(async () =>
        {
            await using var postgres = await Faults.Find("postgres-stop").BeginAsync(shared.Deployment);
            await using var redis = await Faults.Find("redis-kill").BeginAsync(shared.Deployment);
            await Task.Delay(Away);
        });
        AssertAnswered("StorageUnavailableException", "OverloadedException");

        // Users in memory are still read.
        AssertNoneFailed(_trial.Reads);
    }

    private Task TryAsync(string fault, TimeSpan duration) => _trial.RunAsync(() => RunAsync(fault, duration));

    private async Task<List<string>> BreakerStatesAsync()
    {
        var list = await shared.Deployment.CliAsync("breaker", "list", "--json");
        Assert.True(list.ExitCode == 0, list.ToString());
        return [.. JsonDocument.Parse(list.Output).RootElement.GetProperty("silos").EnumerateArray()
            .Select(silo => silo.GetProperty("breaker").GetProperty("state").GetString()!)];
    }

    private Task RunAsync(string fault, TimeSpan duration) => Faults.Find(fault).RunAsync(shared.Deployment, duration, silo: 1);

    private void AssertNoneFailed(params LoadResult[] loads) =>
        Assert.True(loads.All(load => load.Failed == 0), $"{_trial.Describe()}\n{shared.Deployment.Describe()}");

    private void AssertAnswered(params string[] allowed)
    {
        Assert.True(_trial.Failures.All(allowed.Contains), _trial.Describe());
        Assert.True(_trial.All.All(load => load.LongestFailedMs <= Answer.TotalMilliseconds), _trial.Describe());
    }

    public sealed class Shared : IAsyncLifetime
    {
        public Deployment Deployment { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Deployment = await Deployment.StartAsync(silos: 2, new(HasLinks: true));

        public ValueTask DisposeAsync() => Deployment.DisposeAsync();
    }
}
