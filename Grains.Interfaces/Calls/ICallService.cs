using Orleans.Concurrency;
using Orleans.Serialization.Invocation;
using Orleans.Services;

namespace Actors;

/// <summary>
/// Makes the calls that a client app sends in one message, on the silo that receives it. A message is transport and not a transaction:
/// each call succeeds or fails by itself, and is answered by itself.
/// </summary>
[Alias("Actors.ICallService")]
internal interface ICallService : IGrainService
{
    /// <summary>Begins all calls, and returns when all are answered, or soon if one takes long.</summary>
    /// <param name="message">The calls.</param>
    /// <param name="late">Receives the answers that the result lacks.</param>
    [Alias("Invoke")]
    Task<CallAnswers> InvokeAsync(CallMessage message, ICallObserver late);
}

/// <summary>Receives the answers of calls that took longer than others in their message.</summary>
[Alias("Actors.ICallObserver")]
internal interface ICallObserver : IGrainObserver
{
    /// <summary>Hands over answers.</summary>
    [Alias("Answer"), OneWay]
    Task AnswerAsync(LateAnswer[] answers);
}

/// <summary>Calls that travel together. A call is a target and a request of the same index.</summary>
/// <param name="Number">Identifies the message among those of its client.</param>
/// <param name="Targets">The grains.</param>
/// <param name="Requests">The requests, as Orleans' proxies make them.</param>
/// <param name="Homes">The <see cref="HomeSilos.Version"/> that the client has from this silo; 0 if none.</param>
/// <param name="AreRepeatable">Whether each call may be repeated. Null, from earlier clients: yes.</param>
[GenerateSerializer, Immutable, Alias("Actors.CallMessage")]
internal sealed record CallMessage(
    [property: Id(0)] long Number, [property: Id(1)] GrainId[] Targets, [property: Id(2)] IInvokable[] Requests, [property: Id(3)] long Homes,
    [property: Id(4)] bool[]? AreRepeatable);

/// <summary>The answers to a message.</summary>
/// <param name="Answers">By the index of the call; null if it is not answered yet, or returned.</param>
/// <param name="Forwarded">How many of the calls went on to another silo.</param>
/// <param name="Homes">The silos, if the client has another version.</param>
/// <param name="Returned">
/// The indexes of the calls that the client must make itself, since the silo could not run them as turns. Only calls that must not be
/// repeated are returned: one that is sent on may be lost with a silo that stops. Null if there are none.
/// </param>
[GenerateSerializer, Immutable, Alias("Actors.CallAnswers")]
internal sealed record CallAnswers(
    [property: Id(0)] Response?[] Answers, [property: Id(1)] int Forwarded, [property: Id(2)] HomeSilos? Homes, [property: Id(3)] int[]? Returned);

/// <summary>The answer to one call of a message.</summary>
/// <param name="Message">The message's number.</param>
/// <param name="Index">The index of the call.</param>
/// <param name="Answer">The answer.</param>
[GenerateSerializer, Immutable, Alias("Actors.LateAnswer")]
internal sealed record LateAnswer([property: Id(0)] long Message, [property: Id(1)] int Index, [property: Id(2)] Response Answer);
