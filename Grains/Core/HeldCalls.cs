namespace Actors.Core;

/// <summary>A grain whose calls may wait for a long time. It releases them when its activation is about to deactivate.</summary>
internal interface IHoldsCalls
{
    /// <summary>
    /// Called when the activation is asked to deactivate or migrate. Orleans starts that only when no call executes, and queues
    /// new calls until then, so waiting calls must be answered now. Any thread may call it; it must neither block nor throw.
    /// </summary>
    void ReleaseHeldCalls();
}

/// <summary>
/// Notifies grains that hold calls as soon as their activation is asked to deactivate. The request may come from the grain, the
/// management extension, the rebalancer, memory shedding or a stopping silo. OnDeactivateAsync runs too late: only after all
/// calls have ended.
/// </summary>
internal sealed class HeldCalls : IActivationWorkingSetObserver
{
    void IActivationWorkingSetObserver.OnDeactivating(IActivationWorkingSetMember member)
    {
        if (member is IGrainContext { GrainInstance: IHoldsCalls grain }) grain.ReleaseHeldCalls();
    }
}
