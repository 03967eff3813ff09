using Microsoft.Extensions.Logging;
using Orleans.Concurrency;

namespace Actors.Hosting;

/// <summary>Takes the messages of client apps. Has no state of its own.</summary>
[Reentrant]
internal sealed class CallService(GrainId id, Silo silo, ILoggerFactory loggers, CallDispatcher dispatcher)
    : GrainService(id, silo, loggers), ICallService
{
    public Task<CallAnswers> InvokeAsync(CallMessage message, ICallObserver late)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(message.Requests.Length, message.Targets.Length);
        if (message.AreRepeatable is { } repeatable) ArgumentOutOfRangeException.ThrowIfNotEqual(repeatable.Length, message.Targets.Length);
        if (Array.IndexOf(message.Requests, null) is >= 0 and var missing) throw new ArgumentException($"Call {missing} of the message has no request.");
        return dispatcher.RunAsync(message, late);
    }
}
