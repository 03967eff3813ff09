using System.Diagnostics.CodeAnalysis;

namespace Actors.Redis;

/// <summary>
/// Decides which calls go through, based on the outcome of earlier ones. It makes no calls, reads no clock and runs nothing:
/// the caller passes the time and asks what is due. The terms are Polly's. Beyond Polly's breaker it discards results of calls
/// that began before the last change, counts slow answers, notices stalls and probes without traffic. It closes after N of M
/// successful probes and a ramp, and repeated breaks get longer.
/// </summary>
/// <remarks>
/// Safe for any thread. A call costs a few reads, a write and an interlocked add while closed, and a read and an interlocked
/// add while open. Everything else runs under one lock, which is never held over a call.
/// </remarks>
internal sealed class CircuitBreaker
{
    /// <summary>How many calls in a row must fail before <see cref="BreakerOptions.SilenceDuration"/> counts.</summary>
    private const int FewestFailures = 3;

    private const double FirstShare = 0.1;
    private const int MaxDoublings = 20;

    private static readonly TimeSpan IdleProbeInterval = TimeSpan.FromSeconds(1);

    private readonly BreakerOptions _options;
    private readonly Action<BreakerState, BreakerState, string> _changed;
    private readonly Func<double> _random;
    private readonly long _frequency;
    private readonly Lock _gate = new();

    // Read by every call without the lock, replaced under it.
    private volatile CircuitPhase _phase;

    // Interlocked.
    private long _rejected;

    // The fields below are guarded by the lock.
    private int _breaksInARow;
    private long _badSince;
    private int _badInARow;
    private int _goodProbes;
    private int _badProbes;
    private long _probeDue;
    private CircuitProbe? _probe;
    private double _credit;

    /// <param name="options">When the circuit opens and how it closes.</param>
    /// <param name="frequency">Time units per second.</param>
    /// <param name="now">The current time.</param>
    /// <param name="changed">
    /// Called for each change of state, in order, with its reason. It runs under the lock, so it must be
    /// quick.
    /// </param>
    /// <param name="random">Returns 0 to 1, for jitter.</param>
    public CircuitBreaker(
        BreakerOptions options, long frequency, long now, Action<BreakerState, BreakerState, string> changed, Func<double>? random = null)
    {
        _options = options;
        _frequency = frequency;
        Slow = Units(options.SlowCallDuration);
        _changed = changed;
        _random = random ?? Random.Shared.NextDouble;
        _phase = new CircuitPhase(CircuitStep.Closed, now, Units(options.SamplingDuration));
        _probeDue = now + Units(IdleProbeInterval);
    }

    /// <summary>The duration from which an answer counts as slow, in time units.</summary>
    public long Slow { get; }

    public BreakerState State => _phase.State;

    /// <summary>The number of calls that were rejected.</summary>
    public long Rejected => Volatile.Read(ref _rejected);

    /// <summary>The current phase.</summary>
    public CircuitPhase Phase => _phase;

    /// <summary>The share of failed and slow calls within the sampling duration.</summary>
    public double FailureRatio(long now) => _phase.Window.Count(now) is { Calls: > 0 } count ? (double)count.Failures / count.Calls : 0;

    /// <summary>The current phase and the time of its next probe. The time is null while closed, ramping or isolated.</summary>
    public (CircuitPhase Phase, long? NextProbe) Standing
    {
        get
        {
            lock (_gate)
            {
                return (_phase, _phase.Step switch
                {
                    CircuitStep.Broken => _phase.Until,
                    CircuitStep.Probing => _probeDue,
                    _ => null,
                });
            }
        }
    }

    /// <summary>
    /// Returns whether a call may be made. The caller then reports the outcome with <paramref name="permit"/>. Takes
    /// nanoseconds and allocates nothing.
    /// </summary>
    public bool TryEnter(long now, out CircuitPhase permit)
    {
        permit = _phase;
        if (permit.Step == CircuitStep.Closed || (permit.Step == CircuitStep.Ramping && TryEnterRamp(permit, now))) return true;
        Interlocked.Increment(ref _rejected);
        return false;
    }

    /// <summary>Reports that the call was answered, possibly with an error caused by the call itself.</summary>
    public void Answered(CircuitPhase permit, long began, long now)
    {
        if (now - began < Slow) permit.Succeeded(now);
        else Failed(permit, now, $"an answer took {Text(now - began)}");
    }

    /// <summary>Reports that the call was not answered, or that Redis answered that it cannot serve.</summary>
    public void Failed(CircuitPhase permit, long now, string reason)
    {
        lock (_gate)
        {
            if (!ReferenceEquals(permit, _phase) || permit.Step is not (CircuitStep.Closed or CircuitStep.Ramping)) return;
            permit.Window.Failure(now);
            if (_badInARow == 0 || permit.LastGood > _badSince) (_badSince, _badInARow) = (now, 0);
            _badInARow++;
            var (calls, failures) = permit.Window.Count(now);
            if (calls >= _options.MinimumThroughput && failures >= _options.FailureRatio * calls)
                Break(now, $"{failures} of {calls} calls failed or were slow; the last: {reason}");
            else if (_badInARow >= FewestFailures && now - _badSince >= Units(_options.SilenceDuration))
                Break(now, $"no good answer for {Text(now - _badSince)}; the last: {reason}");
        }
    }

    /// <summary>Reports an error that every further call would get too. Opens at once.</summary>
    public void Unusable(CircuitPhase permit, long now, string reason)
    {
        lock (_gate)
        {
            if (!ReferenceEquals(permit, _phase) || permit.Step is not (CircuitStep.Closed or CircuitStep.Ramping)) return;
            Break(now, $"unusable: {reason}");
        }
    }

    /// <summary>Reports that calls are waiting and none was answered for <see cref="BreakerOptions.SilenceDuration"/>.</summary>
    public void Silent(CircuitPhase phase, long now)
    {
        lock (_gate)
        {
            if (!ReferenceEquals(phase, _phase) || phase.Step is not (CircuitStep.Closed or CircuitStep.Ramping)) return;
            Break(now, $"slow: calls have waited for an answer for {_options.SilenceDuration.TotalMilliseconds:0} ms");
        }
    }

    /// <summary>
    /// Makes due changes and returns whether to send a probe now. To be called regularly. One probe is in flight at a time; a
    /// probe that never ends is abandoned here.
    /// </summary>
    public bool TryProbe(long now, [NotNullWhen(true)] out CircuitProbe? probe)
    {
        lock (_gate)
        {
            if (_probe is { } waited && now - waited.Began >= 2 * Units(_options.ProbeTimeout)) EndProbe(now, "a probe did not end");
            switch (_phase.Step)
            {
                case CircuitStep.Broken when now >= _phase.Until:
                    Become(CircuitStep.Probing, now, "the break is over");
                    break;
                case CircuitStep.Ramping when now - _phase.Since >= Units(_options.RampDuration):
                    Become(CircuitStep.Closed, now, $"{_options.RequiredProbes} probes and the ramp succeeded");
                    break;
                case CircuitStep.Closed when now - _phase.Since >= Units(_options.SamplingDuration):
                    // The next break does not follow an earlier one closely.
                    _breaksInARow = 0;
                    break;
            }

            var isDue = _probe is null && _phase.Step switch
            {
                CircuitStep.Probing => now >= _probeDue,
                CircuitStep.Closed => now >= Math.Max(_probeDue, _phase.LastGood + Units(IdleProbeInterval)),
                _ => false,
            };
            probe = isDue ? _probe = new CircuitProbe(now) : null;
            return isDue;
        }
    }

    /// <summary>Reports the outcome of a probe: null for success, otherwise the reason of the failure.</summary>
    public void Probed(CircuitProbe probe, long now, string? failure)
    {
        lock (_gate)
        {
            // Ignores probes that were abandoned or that began before the last change.
            if (ReferenceEquals(probe, _probe)) EndProbe(now, failure);
        }
    }

    /// <summary>Reports that the driver reconnected, which shortens the current break to the minimum.</summary>
    public void Reconnected(long now)
    {
        lock (_gate)
        {
            if (_phase.Step != CircuitStep.Broken) return;
            var earliest = Math.Max(now, _phase.Since + Units(_options.BreakDuration));
            if (earliest >= _phase.Until) return;
            _phase = new CircuitPhase(CircuitStep.Broken, _phase.Since, Units(_options.SamplingDuration), earliest) { AwaySince = _phase.AwaySince };
        }
    }

    /// <summary>Opens the circuit until <see cref="Close"/>.</summary>
    public void Isolate(long now, string reason)
    {
        lock (_gate) Become(CircuitStep.Isolated, now, reason);
    }

    /// <summary>Closes the circuit from any state.</summary>
    public void Close(long now, string reason)
    {
        lock (_gate)
        {
            _breaksInARow = 0;
            if (_phase.Step != CircuitStep.Closed) Become(CircuitStep.Closed, now, reason);
        }
    }

    private bool TryEnterRamp(CircuitPhase permit, long now)
    {
        lock (_gate)
        {
            if (!ReferenceEquals(permit, _phase)) return false;
            var progress = (double)(now - permit.Since) / Math.Max(1, Units(_options.RampDuration));
            var share = Math.Clamp(FirstShare + ((1 - FirstShare) * progress), FirstShare, 1);

            // Each call adds its share; a call goes through whenever the sum reaches one.
            _credit += share;
            if (_credit < 1) return false;
            _credit--;
            return true;
        }
    }

    private void EndProbe(long now, string? failure)
    {
        _probe = null;
        _probeDue = now + Units(_phase.Step == CircuitStep.Probing ? _options.ProbeInterval : IdleProbeInterval);
        switch (_phase.Step)
        {
            case CircuitStep.Closed when failure is null:
                _phase.Succeeded(now);
                break;
            case CircuitStep.Closed:
                Failed(_phase, now, failure);
                break;
            case CircuitStep.Probing when failure is null:
                if (++_goodProbes >= _options.RequiredProbes) Become(CircuitStep.Ramping, now, "");
                break;
            case CircuitStep.Probing:
                if (++_badProbes > _options.Probes - _options.RequiredProbes) Break(now, $"a probe failed: {failure}");
                break;
        }
    }

    private void Break(long now, string reason)
    {
        var longest = Math.Max(_options.BreakDuration.TotalSeconds, _options.MaxBreakDuration.TotalSeconds);
        var seconds = Math.Min(longest, _options.BreakDuration.TotalSeconds * Math.Pow(2, Math.Min(_breaksInARow, MaxDoublings)));
        _breaksInARow++;
        var cut = seconds * _options.BreakJitter * _random();
        Become(CircuitStep.Broken, now, reason, now + Units(TimeSpan.FromSeconds(seconds - cut)));
    }

    private void Become(CircuitStep step, long now, string reason, long until = 0)
    {
        var before = _phase;

        // Calls that the ramp let through may still wait after it. A new break must cancel them too.
        var ramp = before.Step == CircuitStep.Ramping && step == CircuitStep.Closed ? before : null;
        _phase = new CircuitPhase(step, now, Units(_options.SamplingDuration), until, ramp)
        {
            AwaySince = step == CircuitStep.Closed || before.Step == CircuitStep.Closed ? now : before.AwaySince,
        };
        _badInARow = 0;
        _goodProbes = _badProbes = 0;
        _credit = 0;
        _probe = null;
        _probeDue = step == CircuitStep.Closed ? now + Units(IdleProbeInterval) : now;
        if (step is CircuitStep.Broken or CircuitStep.Isolated) before.Break();
        if (before.State != _phase.State || step == CircuitStep.Isolated) _changed(before.State, _phase.State, reason);
    }

    private long Units(TimeSpan duration) => (long)Math.Round(duration.TotalSeconds * _frequency);

    private string Text(long units) => $"{1000.0 * units / _frequency:0} ms";
}
