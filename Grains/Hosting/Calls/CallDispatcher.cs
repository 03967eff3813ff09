using Actors.Core;
using Actors.Users;
using Orleans.Serialization.Invocation;

namespace Actors.Hosting;

/// <summary>
/// Hands each call of a message to its grain. If the grain is active on this silo, the call runs as a turn of its activation, without
/// a message of Orleans; a read of a user may need no turn. Otherwise Orleans brings it, and activates the grain or finds it on another
/// silo; with several silos, a call that must not be repeated goes back to the client instead.
/// </summary>
internal sealed class CallDispatcher(
    CallTargets targets, HomeView homes, ErrorBoundary errors, IGrainFactory grains, CallCounters counters,
    IEnumerable<IIncomingGrainCallFilter> filters)
{
    /// <summary>The longest wait for slow calls before the answers so far are returned.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(5);

    // A turn passes no filter. The dashboard counts messages only, and calls that are traced come by themselves.
    private readonly bool _isFiltered = filters.Any(filter =>
        filter is not ErrorBoundary && filter.GetType().Name != "ActivityPropagationIncomingGrainCallFilter"
        && filter.GetType().Namespace?.StartsWith("Orleans.Dashboard", StringComparison.Ordinal) is not true);

    /// <summary>Begins the calls, and returns the answers that come soon.</summary>
    public async Task<CallAnswers> RunAsync(CallMessage message, ICallObserver late)
    {
        var answers = new PendingAnswers(message, late);
        for (var i = 0; i < message.Targets.Length; i++)
        {
            var target = _isFiltered ? null : targets.Find(message.Targets[i]);

            // One call in 20 s goes through Orleans, which so sees that the grain is in use. Not while this silo stops: a call could be lost.
            var isMessage = target is not null && !homes.IsStopping && target.TakeMessage();
            if (target is not null && !isMessage && IsRead(message.Requests[i]) && target.Context.GrainInstance is UserGrain grain && grain.TryRead(out var user))
            {
                counters.CountTurn();
                answers.Add(i, Response.FromResult<User?>(user));
            }
            else
            {
                Begin(new(answers, i, message.Targets[i], message.Requests[i], message.AreRepeatable?[i] ?? true), target, isMessage);
            }
        }

        if (!answers.All.IsCompleted) await Task.WhenAny(answers.All, Task.Delay(Patience));
        return answers.Take(homes.Current);
    }

    private static bool IsRead(IInvokable request) =>
        request.GetInterfaceType() == typeof(IUserGrain) && request.GetMethodName() == nameof(IUserGrain.GetAsync);

    private void Begin(Call call, CallTarget? target, bool isMessage)
    {
        if (!isMessage && target?.TryEnter() is true)
        {
            counters.CountTurn();
            _ = Task.Factory.StartNew(RunTurn, (this, call, target), CancellationToken.None, TaskCreationOptions.DenyChildAttach, target.Turns);
        }
        else if (isMessage || call.IsRepeatable || homes.IsAlone)
        {
            _ = ForwardAsync(call);
        }
        else
        {
            // The grain may be on a silo that stops at this moment. This silo would not learn whether the call had begun there; the client,
            // which calls through a gateway, is told that it was rejected.
            counters.CountReturned();
            call.Answers.Return(call.Index);
        }

        static void RunTurn(object? state)
        {
            var (dispatcher, call, target) = ((CallDispatcher, Call, CallTarget))state!;
            _ = dispatcher.RunAsync(call, target);
        }
    }

    // Never fails: errors become answers.
    private async Task RunAsync(Call call, CallTarget target)
    {
        try
        {
            call.Request.SetTarget(target.Context);
            var answer = await call.Request.Invoke().ConfigureAwait(false);
            call.Answers.Add(call.Index, errors.ToContract(answer, call.Request, call.Grain));
        }
        catch (Exception error)
        {
            call.Answers.Add(call.Index, Response.FromException(error));
        }
        finally
        {
            target.Leave();
        }
    }

    private async Task ForwardAsync(Call call)
    {
        try
        {
            // A request whose target is a reference makes a call of Orleans.
            call.Request.SetTarget(new Reference(ReferenceTo(call)));
            var answer = await call.Request.Invoke().ConfigureAwait(false);
            Count(call);
            call.Answers.Add(call.Index, answer);
        }
        catch (Exception error)
        {
            Count(call);
            call.Answers.Add(call.Index, Response.FromException(error));
        }
    }

    // If the grain is not active here after the call, the call was made on another silo, or the activation has ended meanwhile.
    private void Count(Call call)
    {
        if (targets.Find(call.Grain) is not null)
        {
            counters.CountMessage();
            return;
        }

        counters.CountForwarded();
        call.Answers.CountForwarded();
    }

    private object ReferenceTo(Call call) => call.Request.GetInterfaceType() == typeof(IUserGrain)
        ? grains.GetGrain<IUserGrain>(call.Grain)
        : grains.GetGrain<IRateLimiterGrain>(call.Grain);

    private sealed record Call(PendingAnswers Answers, int Index, GrainId Grain, IInvokable Request, bool IsRepeatable);

    /// <summary>Makes requests call their grain through Orleans.</summary>
    private sealed class Reference(object grain) : ITargetHolder
    {
        public object? GetTarget() => grain;

        public object? GetComponent(Type componentType) => null;
    }
}
