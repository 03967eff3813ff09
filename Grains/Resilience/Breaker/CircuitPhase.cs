using System.Diagnostics.CodeAnalysis;

namespace Actors.Resilience;

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
/// only while that is still the phase: so an answer from before a break closes nothing.
/// </summary>
/// <param name="step">What the circuit is at.</param>
/// <param name="since">When the phase began.</param>
/// <param name="until">When a break is over.</param>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "The source has no timer: there is nothing to dispose of.")]
internal sealed class CircuitPhase(CircuitStep step, long since, long until = 0)
{
    private readonly CancellationTokenSource _broken = new();

    public CircuitStep Step { get; } = step;

    public long Since { get; } = since;

    public long Until { get; } = until;

    /// <summary>Cancelled when the circuit opens: calls that wait for an answer need not wait any longer.</summary>
    public CancellationToken Broken => _broken.Token;

    public BreakerState State => Step switch
    {
        CircuitStep.Closed => BreakerState.Closed,
        CircuitStep.Broken => BreakerState.Open,
        CircuitStep.Isolated => BreakerState.Isolated,
        _ => BreakerState.HalfOpen,
    };

    /// <summary>Ends the waiting of its calls; on the thread pool, since it may be a call that breaks the circuit.</summary>
    public void Break() => _broken.CancelAsync();
}
