using Orleans.Concurrency;

namespace Actors.Hosting;

/// <summary>Takes the messages of one client app that arrive at this silo. Has no state of its own.</summary>
[StatelessWorker(1), Reentrant]
[GrainType("call-service")]
[CollectionAgeLimit(Minutes = 2)]
internal sealed class CallService(CallDispatcher dispatcher) : Grain, ICallService
{
    public Task<CallAnswers> InvokeAsync(CallMessage message, ICallObserver late)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(message.Requests.Length, message.Targets.Length);
        return dispatcher.RunAsync(message, late);
    }
}
