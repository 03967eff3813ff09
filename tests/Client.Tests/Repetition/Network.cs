using System.Collections.Concurrent;

namespace Actors.Client.Tests.Repetition;

/// <summary>Sits between the retry filter and the silo and applies scripted faults to the next calls.</summary>
internal sealed class Network : IOutgoingGrainCallFilter
{
    // Enqueued by the test, dequeued by each attempt of its one call.
    private readonly ConcurrentQueue<Func<IOutgoingGrainCallContext, Task>> _next = new();

    /// <summary>The next attempt does not reach the silo.</summary>
    public Network Refuses(Exception error) => Then(_ => throw error);

    /// <summary>The next attempt takes effect, but its response is lost.</summary>
    public Network LosesTheAnswer(Exception error) => Then(async call =>
    {
        await call.Invoke();
        throw error;
    });

    /// <summary>The next attempt takes effect, but no response ever arrives.</summary>
    public Network NeverAnswers() => Then(async call =>
    {
        await call.Invoke();
        await Task.Delay(Timeout.Infinite, call.Request.GetCancellationToken());
    });

    /// <summary>The next attempt is sent late, unless it is cancelled before.</summary>
    public Network Delays(TimeSpan by) => Then(async call =>
    {
        await Task.Delay(by, call.Request.GetCancellationToken());
        await call.Invoke();
    });

    public Task Invoke(IOutgoingGrainCallContext context) =>
        context.Grain is IUserGrain && _next.TryDequeue(out var next) ? next(context) : context.Invoke();

    private Network Then(Func<IOutgoingGrainCallContext, Task> next)
    {
        _next.Enqueue(next);
        return this;
    }
}
