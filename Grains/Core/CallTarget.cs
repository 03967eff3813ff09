using System.Collections.Concurrent;

namespace Actors.Core;

/// <summary>
/// The activations of this silo that take calls without a message of Orleans: a call runs as a turn of the activation.
/// </summary>
internal sealed class CallTargets
{
    // One per user and limiter in memory; its bytes are part of theirs. Any thread adds, finds and removes.
    private readonly ConcurrentDictionary<GrainId, CallTarget> _targets = new();

    /// <summary>Adds an activation that can take calls. To be called in one of its turns.</summary>
    public CallTarget Open(IGrainContext context)
    {
        var target = new CallTarget(this, context, TaskScheduler.Current);
        _targets[context.GrainId] = target;
        return target;
    }

    /// <summary>The activation of a grain, if it is on this silo and takes calls.</summary>
    public CallTarget? Find(GrainId grain) => _targets.GetValueOrDefault(grain);

    /// <summary>The grains of all such activations.</summary>
    public IEnumerable<GrainId> All => _targets.Select(target => target.Key);

    internal void Remove(CallTarget target) => _targets.TryRemove(new(target.Context.GrainId, target));
}

/// <summary>An activation that takes calls as turns, beside the messages of Orleans.</summary>
internal sealed class CallTarget(CallTargets targets, IGrainContext context, TaskScheduler turns)
{
    /// <summary>
    /// Orleans counts only messages as activity, so one call in this time is left to Orleans. Far less than the age at which
    /// Orleans collects an idle activation.
    /// </summary>
    private const long MessageEveryMilliseconds = 20_000;

    // Added to the number of calls when the target closes.
    private const int Closed = int.MinValue / 2;

    // Set before the target closes, and read only after that.
    private TaskCompletionSource? _drained;

    // Interlocked: the number of calls that have entered and not left; negative once closed.
    private int _calls;

    // The silo's call service writes it, on any thread. A lost write costs a message.
    private long _lastMessage = Environment.TickCount64;

    /// <summary>The activation.</summary>
    public IGrainContext Context => context;

    /// <summary>Runs the turns of the activation, one at a time and in order.</summary>
    public TaskScheduler Turns => turns;

    /// <summary>True if the call that asks must be brought by Orleans, which then sees that the grain is in use.</summary>
    public bool TakeMessage()
    {
        var now = Environment.TickCount64;
        if (now - Volatile.Read(ref _lastMessage) <= MessageEveryMilliseconds) return false;
        Volatile.Write(ref _lastMessage, now);
        return true;
    }

    /// <summary>Begins a call, unless the activation is about to end; then Orleans must take the call to it.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _calls) > 0) return true;
        Leave();
        return false;
    }

    /// <summary>Asks the activation to move to its home, unless something waits in it.</summary>
    public void AskToMove()
    {
        // Entered like a call, since the turns of an ended activation run nothing. If it fails, the grain stays and is asked again.
        if (context.GrainInstance is IMovable grain && TryEnter())
            _ = Task.Factory.StartNew(Ask, grain, CancellationToken.None, TaskCreationOptions.DenyChildAttach, turns);

        void Ask(object? moving)
        {
            try
            {
                ((IMovable)moving!).MoveIfIdle();
            }
            finally
            {
                Leave();
            }
        }
    }

    /// <summary>Ends a call.</summary>
    public void Leave()
    {
        if (Interlocked.Decrement(ref _calls) == Closed) _drained!.TrySetResult();
    }

    /// <summary>Takes no more calls, and returns when those that have entered have left.</summary>
    public Task CloseAsync()
    {
        var drained = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (Interlocked.CompareExchange(ref _drained, drained, null) is { } earlier) return earlier.Task;
        targets.Remove(this);
        if (Interlocked.Add(ref _calls, Closed) == Closed) drained.TrySetResult();
        return drained.Task;
    }
}
