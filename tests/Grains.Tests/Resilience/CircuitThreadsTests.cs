using System.Collections.Concurrent;
using System.Diagnostics;
using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>One circuit used by many threads.</summary>
public sealed class CircuitThreadsTests
{
    private const int Threads = 6;

    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(2);

    [Fact]
    public async Task No_result_is_lost_while_the_circuit_stays_closed()
    {
        var options = new BreakerOptions { MinimumThroughput = 1_000_000, SamplingDuration = TimeSpan.FromMinutes(10), SlowCallDuration = TimeSpan.FromMinutes(1) };
        var circuit = new CircuitBreaker(options, Stopwatch.Frequency, Stopwatch.GetTimestamp(), (_, _, _) => { });
        var (good, bad) = (0L, 0L);
        await TogetherAsync(random =>
        {
            var began = Stopwatch.GetTimestamp();
            Assert.True(circuit.TryEnter(began, out var permit));
            if (random.Next(100) == 0 && Interlocked.Increment(ref bad) < 400_000)
            {
                circuit.Failed(permit, Stopwatch.GetTimestamp(), "refused");
                return;
            }

            Interlocked.Increment(ref good);
            circuit.Answered(permit, began, Stopwatch.GetTimestamp());
        });

        var (calls, failures) = circuit.Phase.Window.Count(Stopwatch.GetTimestamp());
        Assert.Equal(good + bad, calls);
        Assert.Equal(bad, failures);
        Assert.Equal(0, circuit.Rejected);
    }

    [Fact]
    public async Task Concurrent_threads_follow_the_state_diagram_and_exceed_no_share()
    {
        var options = new BreakerOptions
        {
            MinimumThroughput = 10,
            BreakDuration = TimeSpan.FromMilliseconds(10),
            MaxBreakDuration = TimeSpan.FromMilliseconds(20),
            ProbeInterval = TimeSpan.FromMilliseconds(1),
            RampDuration = TimeSpan.FromMilliseconds(20),
            SlowCallDuration = TimeSpan.FromMinutes(1),
        };
        var states = new List<(BreakerState From, BreakerState To)>();
        var circuit = new CircuitBreaker(options, Stopwatch.Frequency, Stopwatch.GetTimestamp(), (from, to, reason) =>
        {
            // Under the circuit's lock: in order and never concurrent.
            Assert.NotEqual("", reason);
            states.Add((from, to));
        });
        var ramps = new ConcurrentDictionary<CircuitPhase, Ramp>();
        var (admitted, rejected) = (0L, 0L);
        await TogetherAsync(random =>
        {
            var now = Stopwatch.GetTimestamp();
            switch (random.Next(2000))
            {
                case 0 when random.Next(20) == 0:
                    circuit.Silent(circuit.Phase, now);
                    break;
                case 1:
                    circuit.Reconnected(now);
                    break;
                case 2 when random.Next(50) == 0:
                    circuit.Isolate(now, "by hand");
                    break;
                case 3 when random.Next(100) == 0:
                    circuit.Close(now, "by hand");
                    break;
                case < 100:
                    if (circuit.TryProbe(now, out var probe)) circuit.Probed(probe, Stopwatch.GetTimestamp(), random.Next(5) == 0 ? "refused" : null);
                    break;
                default:
                    var isAdmitted = circuit.TryEnter(now, out var permit);
                    Interlocked.Increment(ref isAdmitted ? ref admitted : ref rejected);
                    Assert.True(!isAdmitted || permit.Step is CircuitStep.Closed or CircuitStep.Ramping);
                    if (permit.Step == CircuitStep.Ramping) ramps.GetOrAdd(permit, static _ => new Ramp()).Count(isAdmitted, now);
                    if (!isAdmitted) break;
                    if (random.Next(3) == 0) circuit.Failed(permit, Stopwatch.GetTimestamp(), "refused");
                    else circuit.Answered(permit, now, Stopwatch.GetTimestamp());
                    break;
            }

            Assert.InRange(circuit.FailureRatio(now), 0, 1);
        });

        Assert.True(admitted > 0 && states.Count > 20 && !ramps.IsEmpty, $"{admitted} calls, {states.Count} changes, {ramps.Count} ramps");
        Assert.Equal(rejected, circuit.Rejected);
        for (var i = 1; i < states.Count; i++) Assert.Equal(states[i - 1].To, states[i].From);
        Assert.DoesNotContain((BreakerState.Open, BreakerState.Open), states);
        Assert.DoesNotContain((BreakerState.Closed, BreakerState.HalfOpen), states);
        Assert.DoesNotContain((BreakerState.Isolated, BreakerState.HalfOpen), states);
        Assert.DoesNotContain((BreakerState.Isolated, BreakerState.Open), states);
        Assert.All(ramps, each =>
        {
            var length = options.RampDuration.TotalSeconds * Stopwatch.Frequency;
            var share = Math.Clamp(0.1 + (0.9 * (each.Value.Last - each.Key.Since) / length), 0.1, 1);
            Assert.True(each.Value.Admitted <= (share * each.Value.Asked) + 0.001, $"{each.Value.Admitted} of {each.Value.Asked} at {share}");
        });
    }

    [Fact]
    public async Task Exactly_one_of_several_threads_gets_the_probe()
    {
        for (var round = 0; round < 200; round++)
        {
            var circuit = new CircuitBreaker(new BreakerOptions(), 1000, 0, (_, _, _) => { });
            circuit.Silent(circuit.Phase, 0);
            using var start = new Barrier(Threads);
            var probes = 0;
            await Task.WhenAll(Enumerable.Range(0, Threads).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    start.SignalAndWait();
                    if (circuit.TryProbe(2000, out var _)) Interlocked.Increment(ref probes);
                },
                TaskCreationOptions.LongRunning)));
            Assert.Equal(1, probes);
        }
    }

    private static Task TogetherAsync(Action<Random> act) => Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Factory.StartNew(
        () =>
        {
            var random = new Random(thread);
            for (var clock = Stopwatch.StartNew(); clock.Elapsed < Duration;)
            {
                for (var i = 0; i < 100; i++) act(random);
            }
        },
        TaskCreationOptions.LongRunning)));

    private sealed class Ramp
    {
        private readonly Lock _gate = new();

        public long Asked { get; private set; }

        public long Admitted { get; private set; }

        public long Last { get; private set; }

        public void Count(bool isAdmitted, long now)
        {
            lock (_gate)
            {
                Asked++;
                if (isAdmitted) Admitted++;
                Last = Math.Max(Last, now);
            }
        }
    }
}
