using Actors.Redis;
using CsCheck;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Invariants and the eventual state of a circuit under any schedule.</summary>
public sealed class CircuitScheduleTests
{
    private const int Schedules = 3000;

    private static readonly Gen<BreakerOptions> Options = Gen.Select(
        Gen.Select(Gen.Double[0.01, 1], Gen.Int[2, 30], Gen.Int[500, 20_000], Gen.Int[10, 3000]),
        Gen.Select(Gen.Int[10, 3000], Gen.Int[10, 20_000], Gen.Double[0, 0.9], Gen.Int[1, 8]),
        Gen.Select(Gen.Int[1, 8], Gen.Int[1, 500], Gen.Int[1, 1000], Gen.OneOf(Gen.Const(0), Gen.Int[1, 3000])),
        (opening, breaks, probes) => new BreakerOptions
        {
            FailureRatio = opening.Item1,
            MinimumThroughput = opening.Item2,
            SamplingDuration = Time(opening.Item3),
            SilenceDuration = Time(opening.Item4),
            BreakDuration = Time(breaks.Item1),
            MaxBreakDuration = Time(breaks.Item2),
            BreakJitter = breaks.Item3,
            Probes = breaks.Item4,
            RequiredProbes = Math.Min(probes.Item1, breaks.Item4),
            ProbeInterval = Time(probes.Item2),
            ProbeTimeout = Time(probes.Item3),
            RampDuration = Time(probes.Item4),
        });

    private static readonly Gen<(Step Step, int Choice)[]> Schedule = Gen.Select(
        Gen.Frequency(
            (8, Gen.Const(Step.Enter)), (4, Gen.Const(Step.Answer)), (4, Gen.Const(Step.Fail)), (6, Gen.Const(Step.Tick)),
            (6, Gen.Const(Step.Probed)), (6, Gen.Const(Step.Wait)), (1, Gen.Const(Step.Silent)), (1, Gen.Const(Step.Reconnect)),
            (1, Gen.Const(Step.Isolate)), (1, Gen.Const(Step.Close))),
        Gen.Int[0, 999]).Array[1, 400];

    private enum Step
    {
        Enter,
        Answer,
        Fail,
        Silent,
        Tick,
        Probed,
        Wait,
        Reconnect,
        Isolate,
        Close,
    }

    [Fact]
    public void No_schedule_breaks_an_invariant() => Gen.Select(Options, Schedule).Sample(
        (options, schedule) => new CircuitSchedule(options).Run(schedule.Select(each => (each.Step.ToString(), each.Choice))),
        iter: Schedules);

    [Fact]
    public void Circuit_closes_in_time_from_any_state_if_Redis_answers() => Gen.Select(Options, Schedule).Sample(
        (options, schedule) =>
        {
            var run = new CircuitSchedule(options);
            run.Run(schedule.Select(each => (each.Step.ToString(), each.Choice)));
            var circuit = run.Circuit;
            if (circuit.State == BreakerState.Isolated) return;

            // A hanging probe is a future failure and may cause another break.
            circuit.Pass((2 * (long)options.ProbeTimeout.TotalMilliseconds) + TimedCircuit.Tick, answers: true);
            var longest = Math.Max(options.MaxBreakDuration.TotalMilliseconds, options.BreakDuration.TotalMilliseconds);
            var probes = options.Probes * (options.ProbeInterval.TotalMilliseconds + TimedCircuit.Tick);
            circuit.PassUntil(
                () => circuit.State == BreakerState.Closed,
                answers: true,
                limit: (long)(longest + probes + options.RampDuration.TotalMilliseconds) + (4 * TimedCircuit.Tick));
            circuit.Pass(5000, answers: true);
            Assert.Equal(BreakerState.Closed, circuit.State);
        },
        iter: Schedules);

    [Fact]
    public void Closed_circuit_opens_in_time_if_Redis_never_answers() => Gen.Select(Options, Schedule).Sample(
        (options, schedule) =>
        {
            var run = new CircuitSchedule(options);
            run.Run(schedule.Select(each => (each.Step.ToString(), each.Choice)));
            var circuit = run.Circuit;
            if (circuit.State != BreakerState.Closed) return;

            var calls = 0;
            for (var end = circuit.Now + (long)options.SilenceDuration.TotalMilliseconds + (4 * TimedCircuit.Tick); circuit.State == BreakerState.Closed; calls++)
            {
                Assert.True(circuit.Now <= end, $"{calls} calls failed and the circuit is still closed");
                circuit.Bad();
                circuit.Now += TimedCircuit.Tick;
            }

            Assert.Equal(BreakerState.Open, circuit.State);
        },
        iter: Schedules);

    private static TimeSpan Time(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds);
}
