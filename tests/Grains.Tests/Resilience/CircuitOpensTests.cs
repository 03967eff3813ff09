using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>When a closed circuit opens, and when it does not.</summary>
public sealed class CircuitOpensTests
{
    private readonly TimedCircuit _circuit = new();

    [Fact]
    public void Circuit_opens_if_half_of_twenty_calls_fail()
    {
        _circuit.Good(10);
        _circuit.Bad(9);
        Assert.Equal(BreakerState.Closed, _circuit.State);
        _circuit.Bad();
        Assert.Equal(BreakerState.Open, _circuit.State);
        Assert.Equal("10 of 20 calls failed or were slow; the last: refused", _circuit.Reasons.Single());
    }

    [Fact]
    public void Circuit_stays_closed_below_the_failure_ratio()
    {
        _circuit.Good(11);
        _circuit.Bad(10);
        Assert.Equal(BreakerState.Closed, _circuit.State);
        Assert.Equal(10.0 / 21, _circuit.Breaker.FailureRatio(_circuit.Now));
    }

    [Fact]
    public void Circuit_stays_closed_below_the_minimum_throughput()
    {
        _circuit.Bad(19);
        Assert.Equal(BreakerState.Closed, _circuit.State);
        _circuit.Bad();
        Assert.Equal(BreakerState.Open, _circuit.State);
    }

    [Fact]
    public void Failures_expire_after_the_sampling_duration()
    {
        _circuit.Bad(19);
        _circuit.Now += 10_000;
        _circuit.Good();
        Assert.Equal(0, _circuit.Breaker.FailureRatio(_circuit.Now));
        _circuit.Bad(10);
        Assert.Equal(BreakerState.Closed, _circuit.State);
    }

    [Fact]
    public void Circuit_opens_after_failures_without_a_success_for_a_while()
    {
        _circuit.Good(1000);
        _circuit.Now++;
        _circuit.Bad(2);
        _circuit.Now += 499;
        _circuit.Bad();
        Assert.Equal(BreakerState.Closed, _circuit.State);
        _circuit.Now++;
        _circuit.Bad();
        Assert.Equal(BreakerState.Open, _circuit.State);
        Assert.Equal("no good answer for 500 ms; the last: refused", _circuit.Reasons.Single());
    }

    [Fact]
    public void Circuit_stays_closed_after_two_failures()
    {
        _circuit.Bad();
        _circuit.Now += 5000;
        _circuit.Bad();
        Assert.Equal(BreakerState.Closed, _circuit.State);
    }

    [Fact]
    public void Circuit_stays_closed_after_many_failures_between_successes()
    {
        for (var i = 0; i < 100; i++)
        {
            _circuit.Good(3);
            _circuit.Now += 300;
            _circuit.Bad(2);
            _circuit.Now += 300;
        }

        Assert.Equal(BreakerState.Closed, _circuit.State);
    }

    [Fact]
    public void Late_report_of_a_success_does_not_hide_a_newer_success()
    {
        var (slowThread, permit) = (_circuit.Now, _circuit.Enter());
        _circuit.Now = 100;
        _circuit.Bad();
        _circuit.Now = 400;
        _circuit.Good();
        _circuit.Breaker.Answered(permit, slowThread, slowThread);
        _circuit.Now = 700;
        _circuit.Bad(2);
        Assert.Equal(BreakerState.Closed, _circuit.State);
    }

    [Fact]
    public void Circuit_opens_on_slow_responses()
    {
        _circuit.Good(10);
        _circuit.Slow(10);
        Assert.Equal(BreakerState.Open, _circuit.State);
        Assert.Contains("an answer took 250 ms", _circuit.Reasons.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void Circuit_stays_closed_on_responses_just_in_time()
    {
        for (var i = 0; i < 100; i++) _circuit.Breaker.Answered(_circuit.Enter(), _circuit.Now - 249, _circuit.Now);
        Assert.Equal(0, _circuit.Breaker.FailureRatio(_circuit.Now));
    }

    [Fact]
    public void Circuit_opens_on_a_stall()
    {
        _circuit.Breaker.Silent(_circuit.Breaker.Phase, _circuit.Now);
        Assert.Equal(BreakerState.Open, _circuit.State);
        Assert.Contains("slow", _circuit.Reasons.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void Circuit_stays_closed_on_a_stall_from_before_the_last_change()
    {
        var before = _circuit.Breaker.Phase;
        _circuit.Ramping();
        _circuit.Breaker.Silent(before, _circuit.Now);
        Assert.Equal(CircuitStep.Ramping, _circuit.Step);
    }

    [Fact]
    public void Circuit_without_calls_opens_on_failed_probes()
    {
        var took = _circuit.PassUntil(() => _circuit.State == BreakerState.Open, answers: false, limit: 3000);
        Assert.Equal(3000, took);
        Assert.Equal(0, _circuit.Breaker.Rejected);
    }

    [Fact]
    public void Idle_circuit_is_probed_every_second_and_stays_closed()
    {
        var probes = 0;
        for (var i = 0; i < 60_000 / TimedCircuit.Tick; i++)
        {
            _circuit.Now += TimedCircuit.Tick;
            if (!_circuit.Breaker.TryProbe(_circuit.Now, out var probe)) continue;
            probes++;
            _circuit.Breaker.Probed(probe, _circuit.Now, null);
        }

        Assert.Equal(60, probes);
        Assert.Equal(BreakerState.Closed, _circuit.State);
    }

    [Fact]
    public void Circuit_with_successes_is_not_probed()
    {
        for (var i = 0; i < 1000; i++)
        {
            _circuit.Now += TimedCircuit.Tick;
            _circuit.Good();
            Assert.False(_circuit.Breaker.TryProbe(_circuit.Now, out _));
        }
    }

    [Fact]
    public void Circuit_opens_by_the_failure_ratio_despite_successful_probes()
    {
        for (var i = 0; i < 4; i++)
        {
            _circuit.Bad(4);
            _circuit.Pass(1100, answers: true);
        }

        Assert.Equal(BreakerState.Closed, _circuit.State);
        _circuit.Bad();
        Assert.Contains(" calls failed", _circuit.Reasons.Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void Circuit_works_after_a_century_without_calls()
    {
        const long century = 100L * 365 * 24 * 3600 * 1000;
        _circuit.Good();
        _circuit.Now = century;
        _circuit.Good(10);
        _circuit.Bad(10);
        Assert.Equal(BreakerState.Open, _circuit.State);
        Assert.InRange(_circuit.PassUntil(() => _circuit.State == BreakerState.Closed, answers: true, limit: 10_000), 1000, 5000);
    }

    [Theory]
    [InlineData(-5_000_000_000)]
    [InlineData(0)]
    [InlineData(4_000_000_000_000)]
    public void Circuit_does_not_depend_on_the_start_of_the_clock(long now)
    {
        var circuit = new TimedCircuit(now: now);
        circuit.Bad(20);
        Assert.Equal(BreakerState.Open, circuit.State);
        circuit.PassUntil(() => circuit.State == BreakerState.Closed, answers: true, limit: 10_000);
    }

    [Fact]
    public void Waiting_calls_are_released_exactly_when_the_circuit_opens()
    {
        var first = _circuit.Breaker.Phase;
        _circuit.Bad(19);
        Assert.False(first.Broken.IsCancellationRequested);
        _circuit.Bad();
        Assert.True(first.Broken.IsCancellationRequested);

        _circuit.PassUntil(() => _circuit.State == BreakerState.Closed, answers: true, limit: 10_000);
        Assert.False(_circuit.Breaker.Phase.Broken.IsCancellationRequested);
    }
}
