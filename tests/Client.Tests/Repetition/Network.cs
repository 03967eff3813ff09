using System.Collections.Concurrent;

namespace Actors.Client.Tests.Repetition;

/// <summary>Stands between the repetition of calls and the silo, and does to the next calls what it is told to.</summary>
internal sealed class Network : IOutgoingGrainCallFilter
{
    // Told by the test, asked by each attempt of its one call.
    private readonly ConcurrentQueue<Func<IOutgoingGrainCallContext, Task>> _next = new();

    /// <summary>The next attempt does not get to the silo.</summary>
    public Network Refuses(Exception error) => Then(_ => throw error);

    /// <summary>The next attempt is carried out, and its answer lost.</summary>
    public Network LosesTheAnswer(Exception error) => Then(async call =>
    {
        await call.Invoke();
        throw error;
    });

    /// <summary>The next attempt is carried out, and never answered.</summary>
    public Network NeverAnswers() => Then(async call =>
    {
        await call.Invoke();
        await Task.Delay(Timeout.Infinite, call.Request.GetCancellationToken());
    });

    public Task Invoke(IOutgoingGrainCallContext context) =>
        context.Grain is IUserGrain && _next.TryDequeue(out var next) ? next(context) : context.Invoke();

    private Network Then(Func<IOutgoingGrainCallContext, Task> next)
    {
        _next.Enqueue(next);
        return this;
    }
}
