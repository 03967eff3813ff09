using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>
/// A circuit breaker with a manual clock in milliseconds. Each reported change is checked against the state diagram.
/// </summary>
internal sealed class TimedCircuit
{
    public const int Tick = 50;

    private static readonly (BreakerState From, BreakerState To)[] Diagram =
    [
        (BreakerState.Closed, BreakerState.Open),
        (BreakerState.Closed, BreakerState.Isolated),
        (BreakerState.Open, BreakerState.HalfOpen),
        (BreakerState.Open, BreakerState.Closed),
        (BreakerState.Open, BreakerState.Isolated),
        (BreakerState.HalfOpen, BreakerState.Open),
        (BreakerState.HalfOpen, BreakerState.Closed),
        (BreakerState.HalfOpen, BreakerState.Isolated),
        (BreakerState.Isolated, BreakerState.Closed),
        (BreakerState.Isolated, BreakerState.Isolated),
    ];

    private BreakerState _last = BreakerState.Closed;

    public TimedCircuit(BreakerOptions? options = null, Func<double>? random = null, long now = 0)
    {
        Options = options ?? new BreakerOptions { BreakJitter = 0 };
        Now = now;
        Breaker = new CircuitBreaker(Options, 1000, now, Changed, random);
    }

    public BreakerOptions Options { get; }

    public CircuitBreaker Breaker { get; }

    public long Now { get; set; }

    public List<string> Reasons { get; } = [];

    public List<BreakerState> States { get; } = [];

    public BreakerState State => Breaker.State;

    public CircuitStep Step => Breaker.Phase.Step;

    public CircuitPhase Enter()
    {
        Assert.True(Breaker.TryEnter(Now, out var permit));
        return permit;
    }

    public bool Enters() => Breaker.TryEnter(Now, out _);

    public void Good(int calls = 1)
    {
        for (var i = 0; i < calls; i++) Breaker.Answered(Enter(), Now, Now);
    }

    public void Slow(int calls = 1)
    {
        for (var i = 0; i < calls; i++) Breaker.Answered(Enter(), Now - Breaker.Slow, Now);
    }

    public void Bad(int calls = 1)
    {
        for (var i = 0; i < calls; i++) Breaker.Failed(Enter(), Now, "refused");
    }

    public TimedCircuit Opened()
    {
        Breaker.Silent(Breaker.Phase, Now);
        Assert.Equal(CircuitStep.Broken, Step);
        return this;
    }

    public TimedCircuit Probing()
    {
        Opened();
        Now = Breaker.Phase.Until;
        Assert.True(Breaker.TryProbe(Now, out var probe));
        Breaker.Probed(probe, Now, null);
        Assert.Equal(CircuitStep.Probing, Step);
        return this;
    }

    public TimedCircuit Ramping()
    {
        Probing();
        while (Step == CircuitStep.Probing) Pass(Tick, answers: true);
        Assert.Equal(CircuitStep.Ramping, Step);
        return this;
    }

    /// <summary>Advances the time with a check on each tick and probes that end at once.</summary>
    public void Pass(long time, bool answers)
    {
        for (var end = Now + time; Now < end;)
        {
            Now = Math.Min(end, Now + Tick);
            if (Breaker.TryProbe(Now, out var probe)) Breaker.Probed(probe, Now, answers ? null : "refused");
        }
    }

    /// <summary>Like <see cref="Pass"/> until a state is reached; returns the elapsed time.</summary>
    public long PassUntil(Func<bool> reached, bool answers, long limit)
    {
        var began = Now;
        while (!reached())
        {
            Assert.True(Now - began <= limit, $"after {limit} ms it is still {Step}");
            Pass(Tick, answers);
        }

        return Now - began;
    }

    private void Changed(BreakerState from, BreakerState to, string reason)
    {
        Assert.Equal(_last, from);
        Assert.Contains((from, to), Diagram);
        Assert.NotEqual("", reason);
        _last = to;
        States.Add(to);
        Reasons.Add(reason);
    }
}
