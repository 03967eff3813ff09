using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>How long a circuit stays open, and how calls of an earlier state affect it.</summary>
public sealed class CircuitBreaksTests
{
    private readonly TimedCircuit _circuit = new();

    private long Break => _circuit.Breaker.Phase.Until - _circuit.Breaker.Phase.Since;

    [Fact]
    public void Open_circuit_rejects_and_counts_every_call()
    {
        _circuit.Opened();
        for (var i = 0; i < 100; i++) Assert.False(_circuit.Enters());
        Assert.Equal(100, _circuit.Breaker.Rejected);
    }

    [Fact]
    public void Success_of_an_earlier_state_does_not_close_the_circuit()
    {
        var stale = _circuit.Enter();
        _circuit.Ramping();
        _circuit.Breaker.Answered(stale, _circuit.Now, _circuit.Now);
        Assert.Equal(CircuitStep.Ramping, _circuit.Step);

        _circuit.PassUntil(() => _circuit.State == BreakerState.Closed, answers: true, limit: 5000);
        for (var i = 0; i < 1000; i++) _circuit.Breaker.Answered(stale, _circuit.Now, _circuit.Now);
        _circuit.Bad(19);
        Assert.Equal(1, _circuit.Breaker.FailureRatio(_circuit.Now));
        _circuit.Bad();
        Assert.Equal(BreakerState.Open, _circuit.State);
    }

    [Fact]
    public void Failure_of_an_earlier_state_does_not_open_the_circuit()
    {
        var stale = _circuit.Enter();
        _circuit.Ramping();
        _circuit.PassUntil(() => _circuit.State == BreakerState.Closed, answers: true, limit: 5000);
        for (var i = 0; i < 1000; i++)
        {
            _circuit.Now++;
            _circuit.Breaker.Failed(stale, _circuit.Now, "late");
            _circuit.Breaker.Answered(stale, 0, _circuit.Now);
        }

        Assert.Equal(BreakerState.Closed, _circuit.State);
        Assert.Equal(0, _circuit.Breaker.FailureRatio(_circuit.Now));
    }

    [Fact]
    public void Breaks_double_up_to_the_maximum()
    {
        var breaks = new List<long>();
        _circuit.Opened();
        for (var i = 0; i < 40; i++)
        {
            breaks.Add(Break);
            var failed = _circuit.States.Count(state => state == BreakerState.Open);
            _circuit.PassUntil(() => _circuit.States.Count(state => state == BreakerState.Open) > failed, answers: false, limit: 10_000);
        }

        Assert.Equal([1000, 2000, 4000, 5000, 5000], breaks.Take(5));
        Assert.All(breaks.Skip(3), length => Assert.Equal(5000, length));
    }

    [Fact]
    public void Breaks_are_short_again_after_a_closed_sampling_duration()
    {
        _circuit.Ramping();
        _circuit.PassUntil(() => _circuit.State == BreakerState.Closed, answers: true, limit: 5000);
        _circuit.Pass(9000, answers: true);
        _circuit.Opened();
        Assert.Equal(2000, Break);

        _circuit.PassUntil(() => _circuit.State == BreakerState.Closed, answers: true, limit: 10_000);
        _circuit.Pass(10_000, answers: true);
        _circuit.Opened();
        Assert.Equal(1000, Break);
    }

    [Fact]
    public void Outage_starts_at_the_first_break_since_the_circuit_was_closed()
    {
        _circuit.Now = 500;
        Reopened(times: 3);
        _circuit.Breaker.Reconnected(_circuit.Now);
        Assert.Equal(500, _circuit.Breaker.Phase.AwaySince);
        _circuit.PassUntil(() => _circuit.Step == CircuitStep.Ramping, answers: true, limit: 10_000);
        Assert.Equal(500, _circuit.Breaker.Phase.AwaySince);

        _circuit.PassUntil(() => _circuit.State == BreakerState.Closed, answers: true, limit: 5000);
        _circuit.Pass(300, answers: true);
        _circuit.Opened();
        Assert.Equal(_circuit.Now, _circuit.Breaker.Phase.AwaySince);
    }

    [Theory]
    [InlineData(0, 1000)]
    [InlineData(0.5, 900)]
    [InlineData(1, 800)]
    public void Jitter_shortens_a_break_by_up_to_its_share(double random, long expected)
    {
        var circuit = new TimedCircuit(new() { BreakJitter = 0.2 }, () => random).Opened();
        Assert.Equal(expected, circuit.Breaker.Phase.Until - circuit.Breaker.Phase.Since);
    }

    [Fact]
    public void Jitter_is_random_and_within_bounds()
    {
        var breaks = Enumerable.Range(0, 200).Select(_ => new TimedCircuit(new()).Opened().Breaker.Phase.Until).ToList();
        Assert.All(breaks, length => Assert.InRange(length, 799, 1000));
        Assert.True(breaks.Distinct().Count() > 20);
    }

    [Fact]
    public void Initial_break_above_the_maximum_is_kept_and_does_not_grow()
    {
        var circuit = new TimedCircuit(new() { BreakJitter = 0, BreakDuration = TimeSpan.FromSeconds(7) }).Opened();
        Assert.Equal(7000, circuit.Breaker.Phase.Until);
        circuit.Pass(7500, answers: false);
        Assert.Equal(7000, circuit.Breaker.Phase.Until - circuit.Breaker.Phase.Since);
    }

    [Fact]
    public void Restored_connection_shortens_a_long_break()
    {
        Reopened(times: 3);
        var (since, until) = (_circuit.Breaker.Phase.Since, _circuit.Breaker.Phase.Until);
        Assert.Equal(4000, until - since);

        _circuit.Now = since + 300;
        _circuit.Breaker.Reconnected(_circuit.Now);
        Assert.Equal(since + 1000, _circuit.Breaker.Phase.Until);
        Assert.Equal(since, _circuit.Breaker.Phase.Since);
        Assert.Equal(since + 1000, _circuit.Breaker.Standing.NextProbe);
        Assert.False(_circuit.Breaker.TryProbe(since + 999, out _));
        Assert.True(_circuit.Breaker.TryProbe(since + 1000, out _));
    }

    [Fact]
    public void Late_restored_connection_ends_the_break_at_once()
    {
        Reopened(times: 3);
        _circuit.Now = _circuit.Breaker.Phase.Since + 1700;
        _circuit.Breaker.Reconnected(_circuit.Now);
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now, out _));
        Assert.Equal(BreakerState.HalfOpen, _circuit.State);
    }

    [Fact]
    public void Restored_connection_never_lengthens_a_break_or_reports_a_change()
    {
        var circuit = new TimedCircuit(new() { BreakJitter = 0.9 }, () => 1).Opened();
        circuit.Breaker.Reconnected(circuit.Now);
        Assert.InRange(circuit.Breaker.Phase.Until, 99, 100);
        Assert.Single(circuit.States);
    }

    [Fact]
    public void Restored_connection_affects_only_a_break()
    {
        var closed = _circuit.Breaker.Phase;
        _circuit.Breaker.Reconnected(_circuit.Now);
        Assert.Same(closed, _circuit.Breaker.Phase);

        var ramp = _circuit.Ramping().Breaker.Phase;
        _circuit.Breaker.Reconnected(_circuit.Now);
        Assert.Same(ramp, _circuit.Breaker.Phase);

        _circuit.Breaker.Isolate(_circuit.Now, "by hand");
        _circuit.Breaker.Reconnected(_circuit.Now);
        Assert.Equal(BreakerState.Isolated, _circuit.State);
    }

    private void Reopened(int times)
    {
        _circuit.Opened();
        _circuit.PassUntil(() => _circuit.States.Count(state => state == BreakerState.Open) == times, answers: false, limit: 20_000);
    }
}
