using System.Diagnostics.CodeAnalysis;

namespace Actors.Redis;

/// <summary>What a circuit is at. Half-open has two: only probes, then a growing share of the calls.</summary>
internal enum CircuitStep
{
    Closed,
    Broken,
    Probing,
    Ramping,
    Isolated,
}

/// <summary>
/// A stretch of a circuit's life between two changes. A call carries the phase it began in, and what became of it counts
/// only while that is still the phase: so an answer from before a break closes nothing. The record of its calls is its own,
/// and what is added to it late is seen by nobody.
/// </summary>
/// <param name="step">What the circuit is at.</param>
/// <param name="since">When the phase began.</param>
/// <param name="sampling">The stretch of time its record covers.</param>
/// <param name="until">When a break is over.</param>
/// <param name="ramp">The phase before, where its calls go on into this one.</param>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "The source has no timer: there is nothing to dispose of.")]
internal sealed class CircuitPhase(CircuitStep step, long since, long sampling, long until = 0, CircuitPhase? ramp = null)
{
    private readonly CancellationTokenSource _broken = ramp?._broken ?? new();

    // Written by any success. Of two at once the older may win, by as much as lies between them.
    private long _lastGood = since;

    public CircuitStep Step { get; } = step;

    public long Since { get; } = since;

    public long Until { get; } = until;

    /// <summary>Since when not all calls go to Redis, over however many phases that is; of a closed one, when it began.</summary>
    public long AwaySince { get; init; } = since;

    /// <summary>What became of its calls.</summary>
    public FailureWindow Window { get; } = new(sampling);

    /// <summary>When its last good answer came, or else when it began.</summary>
    public long LastGood => Volatile.Read(ref _lastGood);

    /// <summary>Cancelled when the circuit opens: calls that wait for an answer need not wait any longer.</summary>
    public CancellationToken Broken => _broken.Token;

    public BreakerState State => Step switch
    {
        CircuitStep.Closed => BreakerState.Closed,
        CircuitStep.Broken => BreakerState.Open,
        CircuitStep.Isolated => BreakerState.Isolated,
        _ => BreakerState.HalfOpen,
    };

    /// <summary>A good answer came.</summary>
    public void Succeeded(long now)
    {
        Window.Success(now);
        if (now > Volatile.Read(ref _lastGood)) Volatile.Write(ref _lastGood, now);
    }

    /// <summary>Ends the waiting of its calls; on the thread pool, since it may be a call that breaks the circuit.</summary>
    public void Break() => _broken.CancelAsync();
}
