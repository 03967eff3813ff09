using System.Diagnostics.CodeAnalysis;

namespace Actors.Redis;

/// <summary>The detailed state of a circuit. Half-open has two steps: only probes, then a growing share of the calls.</summary>
internal enum CircuitStep
{
    Closed,
    Broken,
    Probing,
    Ramping,
    Isolated,
}

/// <summary>
/// The time between two changes of a circuit. A call carries the phase it began in, and its outcome counts only while that
/// phase is current. So an answer from before a break closes nothing. Each phase has its own record of calls, and late
/// additions to an old record have no effect.
/// </summary>
/// <param name="step">The detailed state of the circuit.</param>
/// <param name="since">When the phase began.</param>
/// <param name="sampling">The length of the window its record covers.</param>
/// <param name="until">When a break ends.</param>
/// <param name="ramp">The previous phase, if its calls continue into this one.</param>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable",
    Justification = "The source has no timer, so it holds nothing to dispose.")]
internal sealed class CircuitPhase(CircuitStep step, long since, long sampling, long until = 0, CircuitPhase? ramp = null)
{
    private readonly CancellationTokenSource _broken = ramp?._broken ?? new();

    // Written by any success. If two race, the older one may win; the difference is negligible.
    private long _lastGood = since;

    public CircuitStep Step { get; } = step;

    public long Since { get; } = since;

    public long Until { get; } = until;

    /// <summary>When calls stopped going to Redis, across consecutive phases. For a closed phase, its start.</summary>
    public long AwaySince { get; init; } = since;

    /// <summary>The outcomes of its calls.</summary>
    public FailureWindow Window { get; } = new(sampling);

    /// <summary>The time of its last good answer, or of its start if there was none.</summary>
    public long LastGood => Volatile.Read(ref _lastGood);

    /// <summary>Cancelled when the circuit opens, so that calls stop waiting for an answer.</summary>
    public CancellationToken Broken => _broken.Token;

    public BreakerState State => Step switch
    {
        CircuitStep.Closed => BreakerState.Closed,
        CircuitStep.Broken => BreakerState.Open,
        CircuitStep.Isolated => BreakerState.Isolated,
        _ => BreakerState.HalfOpen,
    };

    /// <summary>Records a good answer.</summary>
    public void Succeeded(long now)
    {
        Window.Success(now);
        if (now > Volatile.Read(ref _lastGood)) Volatile.Write(ref _lastGood, now);
    }

    /// <summary>Cancels its waiting calls. This runs on the thread pool because a waiting call itself may open the circuit.</summary>
    public void Break() => _broken.CancelAsync();
}
