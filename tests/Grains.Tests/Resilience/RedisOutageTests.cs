using System.Diagnostics;
using System.Globalization;
using Actors.Core;
using Actors.Fixtures;
using Actors.Redis;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Actors.Grains.Tests.Resilience;

/// <summary>A real Redis behind a gateway that is killed, frozen, busy or loading.</summary>
[NeedsServers]
public sealed class RedisOutageTests
{
    [Fact]
    public async Task Killed_Redis_is_not_called_and_its_return_is_noticed_without_a_call()
    {
        await using var bench = await GatewayBench.StartAsync();
        await bench.Server.KillAsync();
        await bench.OpenAsync();
        await AssertFailsAtOnceAsync(bench);

        await bench.Server.StartAsync();
        await bench.ClosedAsync();
        Assert.Null(await bench.TryAsync());
        AssertIsPath(bench.Circuit);
    }

    [Fact]
    public async Task Frozen_Redis_is_not_called_and_its_return_is_noticed_without_a_call()
    {
        await using var bench = await GatewayBench.StartAsync();
        bench.Server.Signal(Signals.Stop);
        var waiting = bench.TryAsync();
        await bench.OpenAsync();
        var released = await waiting;
        Assert.True(released!.MayHaveHappened, released.Message);
        await AssertFailsAtOnceAsync(bench);

        bench.Server.Signal(Signals.Continue);
        await bench.ClosedAsync();
        Assert.Null(await bench.TryAsync());
        AssertIsPath(bench.Circuit);
    }

    [Fact]
    public async Task Dead_Redis_is_noticed_without_a_call()
    {
        await using var bench = await GatewayBench.StartAsync();
        await bench.Server.KillAsync();
        var calls = bench.Circuit.Calls;
        await Eventually.IsTrueAsync(() => Task.FromResult(bench.Circuit.Breaks > 0));
        Assert.InRange(bench.Circuit.Calls - calls, 0, 1);
        await bench.Server.StartAsync();
        await bench.ClosedAsync();
    }

    [Fact]
    public async Task Circuit_opens_and_closes_while_its_log_cannot_be_written()
    {
        await using var bench = await GatewayBench.StartAsync(new ThrowingLogger(), GatewayBench.Quick());
        await bench.Server.KillAsync();
        await bench.OpenAsync();
        await bench.Server.StartAsync();
        await bench.ClosedAsync();
        Assert.Null(await bench.TryAsync());
    }

    [Fact]
    public async Task Waiting_calls_are_released_when_the_circuit_opens()
    {
        // Far longer than this test: only the circuit can release them.
        var options = GatewayBench.Quick();
        (options.CallTimeout, options.SlowCallDuration) = (TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1));
        await using var bench = await GatewayBench.StartAsync(options);
        bench.Server.Signal(Signals.Stop);
        var clock = Stopwatch.StartNew();
        var errors = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => bench.TryAsync()));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), $"{clock.Elapsed}");
        Assert.All(errors, error => Assert.True(error!.MayHaveHappened));

        // The circuit keeps the reason for opening, not the released calls.
        Assert.Contains("slow: calls have waited", bench.Circuit.Snapshot().LastError, StringComparison.Ordinal);
        Assert.Contains("slow: calls have waited", (await bench.TryAsync())!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Busy_Redis_opens_the_circuit_as_too_slow()
    {
        var options = GatewayBench.Quick();
        (options.SlowCallDuration, options.MinimumThroughput, options.SilenceDuration) = (TimeSpan.FromSeconds(1), 4, TimeSpan.FromMinutes(1));
        options.ProbeTimeout = TimeSpan.FromSeconds(5);
        await using var bench = await GatewayBench.StartAsync(options, "--enable-debug-command", "yes");
        using var stop = new CancellationTokenSource();
        var admin = await bench.AdminAsync();
        var sleeping = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested) await admin.ExecuteAsync("DEBUG", "SLEEP", "1.5");
        });
        await bench.OpenAsync();

        // Not "a call failed": the connection to a busy server stays open.
        Assert.Contains("an answer took", bench.Circuit.Snapshot().Transitions[0].Reason, StringComparison.Ordinal);

        await stop.CancelAsync();
        await sleeping;
        await bench.ClosedAsync();
    }

    [Fact]
    public async Task Redis_in_an_endless_script_is_reported_as_busy()
    {
        await using var bench = await GatewayBench.StartAsync(arguments: ["--busy-reply-threshold", "50"]);
        var (author, admin) = (await bench.AdminAsync(), await bench.AdminAsync());
        var looping = author.ScriptEvaluateAsync("while true do end");
        var errors = await bench.OpenAsync();
        Assert.Contains(errors, error => !error.MayHaveHappened && error.Message.Contains("BUSY", StringComparison.Ordinal));

        await admin.ExecuteAsync("SCRIPT", "KILL");
        await Assert.ThrowsAsync<StackExchange.Redis.RedisServerException>(() => looping);
        await bench.ClosedAsync();
    }

    [Fact]
    public async Task Loading_Redis_is_called_once_its_data_is_loaded()
    {
        // 5 ms a key: some seconds in total.
        await using var bench = await GatewayBench.StartAsync(arguments: ["--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024"]);
        var admin = await bench.AdminAsync();
        await admin.ScriptEvaluateAsync("for i = 1, 800 do redis.call('SET', 'loaded' .. i, string.rep('x', 200)) end");
        await bench.Server.StopAsync();
        await bench.OpenAsync();

        // Returns once the data is loaded.
        await bench.Server.StartAsync();
        await bench.ClosedAsync();
        Assert.Null(await bench.TryAsync());
    }

    [Fact]
    public Task Timeouts_during_a_pause_do_not_open_the_circuit() => PauseAsync(TimeSpan.FromSeconds(20), async (server, circuit, calls) =>
    {
        foreach (var call in calls) Assert.True((await Assert.ThrowsAsync<RedisUnavailableException>(() => call)).MayHaveHappened);
        server.Signal(Signals.Continue);
        Assert.Equal(0, circuit.Breaks);
        await PingAsync(circuit);
    });

    // Longer than the response limit, but shorter than the call timeout.
    [Fact]
    public Task Late_responses_after_a_pause_do_not_open_the_circuit() => PauseAsync(TimeSpan.FromMilliseconds(900), async (server, circuit, calls) =>
    {
        server.Signal(Signals.Continue);
        await Task.WhenAll(calls);
        Assert.Equal((0, 0), (circuit.Breaks, circuit.Failures));
    });

    /// <summary>Calls a frozen Redis and lets the time pass at once, as in a pause of this process.</summary>
    private static async Task PauseAsync(TimeSpan pause, Func<RedisServer, RedisCircuit, IReadOnlyList<Task>, Task> then)
    {
        await using var server = await RedisServer.StartNewAsync();
        var clock = new FakeTimeProvider();
        var options = new BreakerOptions();
        await using var circuit = new RedisCircuit(
            new RedisOptions { ConnectionString = server.ConnectionString }, [RedisRole.Cache], options, clock, NullLogger.Instance, new BackgroundLoops());
        await PingAsync(circuit);

        server.Signal(Signals.Stop);
        var calls = Enumerable.Range(0, 10 * options.MinimumThroughput).Select(_ => PingAsync(circuit)).ToList();
        clock.Advance(pause);
        await then(server, circuit, calls);
    }

    private static Task PingAsync(RedisCircuit circuit) => circuit.CallAsync(RedisRole.Cache, 0, static (redis, _) => redis.PingAsync());

    private static async Task AssertFailsAtOnceAsync(GatewayBench bench)
    {
        const int calls = 500;
        var (made, rejected) = (bench.Circuit.Calls, bench.Circuit.Rejected);
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < calls; i++)
        {
            var error = await bench.TryAsync();
            Assert.False(error!.MayHaveHappened);
            Assert.Contains("its circuit is", error.Message, StringComparison.Ordinal);
        }

        // If one in a hundred were made, their timeouts alone would take longer.
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), string.Create(CultureInfo.InvariantCulture, $"{calls} calls took {clock.Elapsed}"));
        Assert.Equal(made, bench.Circuit.Calls);
        Assert.Equal(rejected + calls, bench.Circuit.Rejected);
        TestContext.Current.TestOutputHelper?.WriteLine($"A call while open takes {clock.Elapsed.TotalMicroseconds / calls:0.0} µs.");
    }

    private static void AssertIsPath(RedisCircuit circuit)
    {
        var transitions = circuit.Snapshot().Transitions;
        Assert.Equal(BreakerState.Closed, transitions[0].From);
        Assert.Equal((BreakerState.HalfOpen, BreakerState.Closed), (transitions[^1].From, transitions[^1].To));
        for (var i = 1; i < transitions.Length; i++) Assert.Equal(transitions[i - 1].To, transitions[i].From);
        Assert.All(transitions, transition => Assert.NotEqual("", transition.Reason));
        Assert.Null(circuit.Snapshot().NextProbe);
    }
}
