namespace Actors.Core;

/// <summary>A grain whose calls may take long: they are let go when its activation is to end.</summary>
internal interface IHoldsCalls
{
    /// <summary>
    /// The activation is told to deactivate or to migrate. Orleans begins with that only when no call executes, and queues new
    /// calls until then: calls that wait for something must be answered now. Any thread; must neither block nor throw.
    /// </summary>
    void ReleaseHeldCalls();
}

/// <summary>
/// Tells grains that hold calls as soon as their activation is asked to end, whoever asks: the grain itself, the management
/// extension, the rebalancer, a lack of memory, the silo that stops. OnDeactivateAsync would be too late: it runs when all
/// calls have ended.
/// </summary>
internal sealed class HeldCalls : IActivationWorkingSetObserver
{
    void IActivationWorkingSetObserver.OnDeactivating(IActivationWorkingSetMember member)
    {
        if (member is IGrainContext { GrainInstance: IHoldsCalls grain }) grain.ReleaseHeldCalls();
    }
}
