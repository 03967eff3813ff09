using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Runs a circuit through a schedule, with late and missing results, and checks it after every step.</summary>
internal sealed class CircuitSchedule(BreakerOptions options)
{
    private readonly List<(CircuitPhase Permit, long Began)> _calls = [];
    private readonly List<CircuitProbe> _probes = [];
    private readonly List<(CircuitPhase Phase, CircuitPhase Next)> _left = [];

    // The current ramp: its phase, the shares of the callers, and the number of admitted calls.
    private CircuitPhase? _ramp;
    private double _due;
    private int _admitted;

    public TimedCircuit Circuit { get; } = new(options);

    private CircuitBreaker Breaker => Circuit.Breaker;

    public void Run(IEnumerable<(string Step, int Choice)> schedule)
    {
        foreach (var (step, choice) in schedule)
        {
            var before = Breaker.Phase;
            Do(step, choice);
            if (!ReferenceEquals(before, Breaker.Phase)) _left.Add((before, Breaker.Phase));
            Check();
        }
    }

    private void Do(string step, int choice)
    {
        switch (step)
        {
            case "Enter":
                for (var i = 0; i <= choice % 20; i++) Enter();
                break;
            case "Answer" or "Fail":
                for (var i = 0; i <= choice % 10 && _calls.Count > 0; i++) End(choice * 31 % _calls.Count, isAnswered: step == "Answer");
                break;
            case "Silent":
                // Sometimes with the phase of an earlier state.
                Breaker.Silent(choice % 2 == 0 || _calls.Count == 0 ? Breaker.Phase : _calls[choice % _calls.Count].Permit, Circuit.Now);
                break;
            case "Tick":
                var wasProbing = Circuit.Step;
                if (!Breaker.TryProbe(Circuit.Now, out var probe)) break;
                Assert.True(Circuit.Step is CircuitStep.Probing or CircuitStep.Closed, $"probed while {Circuit.Step}, before {wasProbing}");
                Assert.False(Breaker.TryProbe(Circuit.Now, out _), "two probes at once");
                _probes.Add(probe);
                break;
            case "Probed" when _probes.Count > 0:
                // Often the last probe, sometimes an abandoned one; each may be reported twice.
                var told = _probes[choice % 3 == 0 ? choice % _probes.Count : ^1];
                Breaker.Probed(told, Circuit.Now, choice % 2 == 0 ? "refused" : null);
                break;
            case "Wait":
                Circuit.Now += choice switch
                {
                    < 900 => choice / 3,
                    < 990 => choice * 10,
                    _ => choice * 1_000_000L,
                };
                break;
            case "Reconnect":
                Breaker.Reconnected(Circuit.Now);
                break;
            case "Isolate" when choice % 3 == 0:
                Breaker.Isolate(Circuit.Now, "by hand");
                Assert.Equal(BreakerState.Isolated, Circuit.State);
                break;
            case "Close":
                Breaker.Close(Circuit.Now, "by hand");
                Assert.Equal(BreakerState.Closed, Circuit.State);
                break;
        }
    }

    private void Enter()
    {
        var (phase, rejected) = (Breaker.Phase, Breaker.Rejected);
        var isLetThrough = Breaker.TryEnter(Circuit.Now, out var permit);
        Assert.Same(phase, permit);
        Assert.Equal(rejected + (isLetThrough ? 0 : 1), Breaker.Rejected);
        if (isLetThrough) _calls.Add((permit, Circuit.Now));
        switch (phase.Step)
        {
            case CircuitStep.Closed:
                Assert.True(isLetThrough);
                break;
            case CircuitStep.Ramping:
                if (!ReferenceEquals(_ramp, phase)) (_ramp, _due, _admitted) = (phase, 0, 0);
                var ramp = options.RampDuration.TotalMilliseconds;
                var passed = Circuit.Now - phase.Since;
                _due += passed >= ramp && passed > 0 ? 1 : 0.1 + (0.9 * passed / Math.Max(1, ramp));
                if (isLetThrough) _admitted++;
                Assert.InRange(_admitted, _due - 1.001, _due + 0.001);
                break;
            default:
                Assert.False(isLetThrough);
                break;
        }
    }

    private void End(int index, bool isAnswered)
    {
        var (permit, began) = _calls[index];
        _calls.RemoveAt(index);
        var (phase, ratio) = (Breaker.Phase, Breaker.FailureRatio(Circuit.Now));
        if (isAnswered) Breaker.Answered(permit, began, Circuit.Now);
        else Breaker.Failed(permit, Circuit.Now, "refused");
        if (ReferenceEquals(permit, phase)) return;
        Assert.Same(phase, Breaker.Phase);
        Assert.Equal(ratio, Breaker.FailureRatio(Circuit.Now));
    }

    private void Check()
    {
        // Calls in flight are released when the circuit opens: those of that phase or of the ramp before it.
        var isReleased = false;
        CircuitPhase? next = null;
        for (var i = _left.Count - 1; i >= 0; i--)
        {
            var (left, after) = _left[i];
            var flowsOn = left.Step == CircuitStep.Ramping && after.Step == CircuitStep.Closed;
            isReleased = flowsOn
                ? ReferenceEquals(after, next) && isReleased
                : after.Step == CircuitStep.Isolated || (after.Step == CircuitStep.Broken && left.Step != CircuitStep.Broken);
            Assert.Equal(isReleased, left.Broken.IsCancellationRequested);
            next = left;
        }

        Assert.False(Breaker.Phase.Broken.IsCancellationRequested);
        Assert.InRange(Breaker.FailureRatio(Circuit.Now), 0, 1);
        var (phase, nextProbe) = Breaker.Standing;
        Assert.Equal(phase.Step is CircuitStep.Broken or CircuitStep.Probing, nextProbe is not null);
        if (phase.Step != CircuitStep.Broken) return;
        var longest = Math.Max(options.BreakDuration.TotalMilliseconds, options.MaxBreakDuration.TotalMilliseconds);
        Assert.InRange(phase.Until - phase.Since, 0, longest + 1);
    }
}
