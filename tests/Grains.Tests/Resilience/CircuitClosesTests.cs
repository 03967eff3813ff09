using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>How an open circuit closes: by probes and a growing share of calls, or manually.</summary>
public sealed class CircuitClosesTests
{
    private readonly TimedCircuit _circuit = new();

    [Fact]
    public void Circuit_closes_without_traffic()
    {
        _circuit.Opened();
        _circuit.PassUntil(() => _circuit.State == BreakerState.Closed, answers: true, limit: 3000);
        Assert.Equal([BreakerState.Open, BreakerState.HalfOpen, BreakerState.Closed], _circuit.States);
    }

    [Fact]
    public void Half_open_circuit_rejects_calls()
    {
        _circuit.Probing();
        for (var i = 0; i < 100; i++) Assert.False(_circuit.Enters());
        Assert.Equal(BreakerState.HalfOpen, _circuit.State);
    }

    [Fact]
    public void Only_one_probe_is_in_flight()
    {
        _circuit.Opened().Now = 1000;
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now, out _));
        for (var i = 0; i < 400; i++) Assert.False(_circuit.Breaker.TryProbe(_circuit.Now + i, out _));
    }

    [Fact]
    public void Probes_are_separated_by_a_pause()
    {
        _circuit.Probing();
        Assert.Equal(_circuit.Now + 100, _circuit.Breaker.Standing.NextProbe);
        Assert.False(_circuit.Breaker.TryProbe(_circuit.Now + 99, out _));
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now + 100, out _));
    }

    [Fact]
    public void Three_of_five_probes_must_succeed()
    {
        _circuit.Probing();
        Probe("refused");
        Probe("refused");
        Probe(null);
        Assert.Equal(CircuitStep.Probing, _circuit.Step);
        Probe(null);
        Assert.Equal(CircuitStep.Ramping, _circuit.Step);
    }

    [Fact]
    public void Third_failed_probe_reopens_the_circuit_for_longer()
    {
        _circuit.Probing();
        Probe("refused");
        Probe(null);
        Probe("refused");
        Probe("refused");
        Assert.Equal(CircuitStep.Broken, _circuit.Step);
        Assert.Equal(2000, _circuit.Breaker.Phase.Until - _circuit.Now);
        Assert.Equal("a probe failed: refused", _circuit.Reasons[^1]);
    }

    [Fact]
    public void Hanging_probe_is_abandoned_and_counts_as_failed()
    {
        _circuit.Opened();
        var hanging = 0;
        _circuit.Now = 1000;
        while (_circuit.States.Count(state => state == BreakerState.Open) < 2)
        {
            Assert.True(_circuit.Now < 5000);
            if (_circuit.Breaker.TryProbe(_circuit.Now, out _)) hanging++;
            _circuit.Now += TimedCircuit.Tick;
        }

        Assert.Equal(3, hanging);
        Assert.Equal("a probe failed: a probe did not end", _circuit.Reasons[^1]);
    }

    [Fact]
    public void Hanging_probe_does_not_keep_the_circuit_half_open()
    {
        _circuit.Opened().Now = 1000;
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now, out _));
        _circuit.PassUntil(() => _circuit.State == BreakerState.Closed, answers: true, limit: 5000);
    }

    [Fact]
    public void Late_result_of_an_abandoned_probe_is_ignored()
    {
        _circuit.Opened().Now = 1000;
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now, out var late));
        _circuit.Now += 500;
        Assert.False(_circuit.Breaker.TryProbe(_circuit.Now, out _));
        _circuit.Now += 100;
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now, out var next));

        for (var i = 0; i < 10; i++) _circuit.Breaker.Probed(late, _circuit.Now, null);
        Assert.Equal(CircuitStep.Probing, _circuit.Step);

        // The next probe is still awaited and counts.
        Assert.False(_circuit.Breaker.TryProbe(_circuit.Now + 200, out _));
        _circuit.Breaker.Probed(next, _circuit.Now, "refused");
        Probe("refused");
        Assert.Equal(CircuitStep.Broken, _circuit.Step);
    }

    [Fact]
    public void Probe_result_counts_once()
    {
        _circuit.Opened().Now = 1000;
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now, out var probe));
        for (var i = 0; i < 10; i++) _circuit.Breaker.Probed(probe, _circuit.Now, null);
        Assert.Equal(CircuitStep.Probing, _circuit.Step);
    }

    [Fact]
    public void Probe_from_an_earlier_state_is_ignored()
    {
        _circuit.Pass(950, answers: true);
        _circuit.Now = 1000;
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now, out var idle));
        _circuit.Opened().Now += 1000;
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now, out _));
        for (var i = 0; i < 10; i++) _circuit.Breaker.Probed(idle, _circuit.Now, i % 2 == 0 ? "refused" : null);
        Assert.Equal(CircuitStep.Probing, _circuit.Step);
    }

    [Fact]
    public void Ramp_share_grows_from_a_tenth_to_all()
    {
        _circuit.Ramping();
        var since = _circuit.Now;
        var (due, admitted) = (0.0, 0);
        for (var time = 0; time < 1000; time++)
        {
            _circuit.Now = since + time;
            var share = 0.1 + (0.9 * time / 1000);
            for (var i = 0; i < 20; i++)
            {
                due += share;
                if (_circuit.Enters()) admitted++;
                Assert.InRange(admitted, due - 1.001, due + 0.001);
            }
        }

        // At the end all calls pass, whatever was rejected before.
        _circuit.Now = since + 1000;
        for (var i = 0; i < 100; i++) Assert.True(_circuit.Enters());
        Assert.Equal(CircuitStep.Ramping, _circuit.Step);
    }

    [Fact]
    public void Ramp_admits_a_tenth_of_an_initial_burst()
    {
        _circuit.Ramping();
        Assert.InRange(Enumerable.Range(0, 1000).Count(_ => _circuit.Enters()), 99, 100);
    }

    [Fact]
    public void Calls_with_a_time_before_the_ramp_get_the_first_share()
    {
        _circuit.Ramping();
        _circuit.Now -= 10_000;
        Assert.InRange(Enumerable.Range(0, 1000).Count(_ => _circuit.Enters()), 99, 100);
    }

    [Fact]
    public void Failures_in_the_ramp_reopen_the_circuit_for_longer()
    {
        _circuit.Ramping();
        for (var i = 0; i < 1000 && _circuit.Step == CircuitStep.Ramping; i++)
        {
            if (_circuit.Breaker.TryEnter(_circuit.Now, out var permit)) _circuit.Breaker.Failed(permit, _circuit.Now, "refused");
        }

        Assert.Equal(CircuitStep.Broken, _circuit.Step);
        Assert.Equal(2000, _circuit.Breaker.Phase.Until - _circuit.Now);
    }

    [Fact]
    public void Stall_in_the_ramp_reopens_the_circuit()
    {
        _circuit.Ramping();
        _circuit.Breaker.Silent(_circuit.Breaker.Phase, _circuit.Now);
        Assert.Equal(CircuitStep.Broken, _circuit.Step);
    }

    [Fact]
    public void Ramp_ends_after_its_duration()
    {
        _circuit.Ramping();
        Assert.False(_circuit.Breaker.TryProbe(_circuit.Now + 999, out _));
        Assert.Equal(CircuitStep.Ramping, _circuit.Step);
        Assert.False(_circuit.Breaker.TryProbe(_circuit.Now + 1000, out _));
        Assert.Equal(CircuitStep.Closed, _circuit.Step);
        Assert.Equal("3 probes and the ramp succeeded", _circuit.Reasons[^1]);
    }

    [Fact]
    public void Circuit_without_a_ramp_closes_at_the_next_check()
    {
        var circuit = new TimedCircuit(new() { RampDuration = TimeSpan.Zero }).Ramping();
        circuit.Enters();
        circuit.Breaker.TryProbe(circuit.Now, out _);
        Assert.Equal(BreakerState.Closed, circuit.State);
    }

    [Fact]
    public void Calls_admitted_by_the_ramp_are_released_when_the_circuit_opens()
    {
        _circuit.Ramping().Now += 1000;
        var permit = _circuit.Enter();
        _circuit.Breaker.TryProbe(_circuit.Now, out _);
        Assert.Equal(BreakerState.Closed, _circuit.State);
        Assert.False(permit.Broken.IsCancellationRequested);
        _circuit.Opened();
        Assert.True(permit.Broken.IsCancellationRequested);
    }

    [Theory]
    [InlineData(nameof(CircuitStep.Closed))]
    [InlineData(nameof(CircuitStep.Broken))]
    [InlineData(nameof(CircuitStep.Probing))]
    [InlineData(nameof(CircuitStep.Ramping))]
    [InlineData(nameof(CircuitStep.Isolated))]
    public void Circuit_can_be_isolated_from_every_state_until_closed_manually(string step)
    {
        var before = At(step);
        _circuit.Breaker.Isolate(_circuit.Now, "maintenance");
        Assert.Equal("maintenance", _circuit.Reasons[^1]);
        Assert.True(before.Broken.IsCancellationRequested);
        var isolated = _circuit.Breaker.Phase;

        for (var i = 0; i < 1000; i++)
        {
            _circuit.Now += 1000;
            Assert.False(_circuit.Enters());
            Assert.False(_circuit.Breaker.TryProbe(_circuit.Now, out _));
            _circuit.Breaker.Reconnected(_circuit.Now);
            _circuit.Breaker.Failed(isolated, _circuit.Now, "refused");
            _circuit.Breaker.Silent(isolated, _circuit.Now);
        }

        Assert.Equal(BreakerState.Isolated, _circuit.State);
        Assert.Null(_circuit.Breaker.Standing.NextProbe);
        _circuit.Breaker.Close(_circuit.Now, "done");
        Assert.Equal(BreakerState.Closed, _circuit.State);
        _circuit.Good();
    }

    [Theory]
    [InlineData(nameof(CircuitStep.Closed), 0)]
    [InlineData(nameof(CircuitStep.Broken), 1)]
    [InlineData(nameof(CircuitStep.Probing), 1)]
    [InlineData(nameof(CircuitStep.Ramping), 1)]
    [InlineData(nameof(CircuitStep.Isolated), 1)]
    public void Circuit_can_be_closed_manually_from_every_state_and_resets_its_breaks(string step, int reported)
    {
        var before = At(step);
        var changes = _circuit.States.Count;
        _circuit.Breaker.Close(_circuit.Now, "closed by hand");
        Assert.Equal(BreakerState.Closed, _circuit.State);
        Assert.Equal(changes + reported, _circuit.States.Count);
        Assert.False(before.Broken.IsCancellationRequested);
        _circuit.Good();
        _circuit.Opened();
        Assert.Equal(1000, _circuit.Breaker.Phase.Until - _circuit.Now);
    }

    private CircuitPhase At(string step)
    {
        switch (Enum.Parse<CircuitStep>(step))
        {
            case CircuitStep.Broken:
                _circuit.Opened();
                break;
            case CircuitStep.Probing:
                _circuit.Probing();
                break;
            case CircuitStep.Ramping:
                _circuit.Ramping();
                break;
            case CircuitStep.Isolated:
                _circuit.Breaker.Isolate(_circuit.Now, "before");
                break;
        }

        Assert.Equal(step, _circuit.Step.ToString());
        return _circuit.Breaker.Phase;
    }

    private void Probe(string? failure)
    {
        _circuit.Now += 100;
        Assert.True(_circuit.Breaker.TryProbe(_circuit.Now, out var probe));
        _circuit.Breaker.Probed(probe, _circuit.Now, failure);
    }
}
