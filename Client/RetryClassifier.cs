using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Orleans.Runtime.Messaging;
using Orleans.Serialization;
using Orleans.Serialization.Invocation;

namespace Actors;

/// <summary>Decides which calls may be retried, and after which errors.</summary>
internal static class RetryClassifier
{
    /// <summary>
    /// True if a call is idempotent, so it may be retried whatever became of the first attempt. A write is idempotent only with a
    /// request id; a retry with an expected version would conflict with its own first attempt. The same holds for acquisitions; one
    /// that may wait takes longer than an attempt. Refunding unused grants twice would free the permits of others.
    /// </summary>
    public static bool IsRepeatable(IInvokable call) => ActorOf(call) switch
    {
        Actor.User => !IsWrite(call) || OptionsOf(call)?.RequestId is not null,
        Actor.Cluster or Actor.RedisBreaker => true,
        Actor.RateLimiter when call.GetMethodName() == nameof(IRateLimiterGrain.RefundUnusedAsync) => false,
        Actor.RateLimiter => !IsAcquire(call) || RequestOf(call) is { RequestId: not null, MaxWait.Ticks: 0 },
        _ => false,
    };

    /// <summary>
    /// True if the error shows that no silo has begun the call, so any call may be retried: it was rejected in transit or never
    /// sent. Orleans throws <see cref="SiloUnavailableException"/> (a rejection by its type) both for calls it did not send and for
    /// broken connections. It counts only if its message says that no silo was selected.
    /// </summary>
    public static bool WasNotBegun(Exception error) => error switch
    {
        SiloUnavailableException => WasNotPlaced(error.Message),
        OrleansMessageRejectionException or GatewayTooBusyException or ConnectionFailedException => true,

        // The call had begun, but has done nothing.
        LimiterMovedException or SiloEvictedException => true,
        _ => false,
    };

    /// <summary>True if the call may have been executed, and a retry may be answered.</summary>
    public static bool MayHaveBegun(Exception error) => error is SiloUnavailableException or TimeoutException;

    /// <summary>True for calls to the actors; for its own grains, the app expects the errors of Orleans.</summary>
    public static bool IsOurs(IInvokable call) => ActorOf(call) != Actor.None;

    /// <summary>True if an actor answers the call within seconds, so a longer silence indicates a problem.</summary>
    public static bool IsSoonAnswered(IInvokable call) => ActorOf(call) switch
    {
        // A commit may take as long as the database's timeouts allow.
        Actor.User => call.GetMethodName() is not (nameof(IUserGrain.FlushAsync) or nameof(IUserGrain.WaitForAsync))
            && !(IsWrite(call) && OptionsOf(call)?.Durability == Durability.Database),
        Actor.Cluster or Actor.RedisBreaker => true,

        // Many requests in one call must not wait.
        Actor.RateLimiter => !IsAcquire(call) || RequestOf(call) is null or { MaxWait.Ticks: 0 },
        _ => false,
    };

    /// <summary>True if the call may travel in a message with others: a user or limiter answers it soon, and need not be told if it is cancelled.</summary>
    public static bool IsCoalescable(IInvokable call) =>
        ActorOf(call) is Actor.User or Actor.RateLimiter && IsSoonAnswered(call) && !(IsAcquire(call) && RequestOf(call) is { CallId: not null });

    /// <summary>True for the call that <see cref="LostCalls"/> makes itself.</summary>
    public static bool AsksForLostCalls(IInvokable call) =>
        ActorOf(call) == Actor.Cluster && call.GetMethodName() == nameof(IClusterGrain.GetDeathsAsync);

    /// <summary>True for a message that carries calls, each of which is retried by itself.</summary>
    public static bool CarriesCalls(IInvokable call) => call.GetInterfaceType() == typeof(ICallService);

    /// <summary>True if no actor has answered: the call or its answer did not arrive.</summary>
    public static bool IsFailureOnTheWay(Exception error) => error is
        TimeoutException or OrleansException or ConnectionAbortedException or IOException or SocketException

        // The client is not connected yet or no longer; or the answer is of another version.
        or InvalidOperationException or SerializerException;

    /// <summary>Assigns a request id to a write that has none.</summary>
    public static void AssignRequestId(IInvokable call)
    {
        if (ActorOf(call) != Actor.User || !IsWrite(call)) return;
        var options = OptionsOf(call) ?? WriteOptions.Default;
        if (options.RequestId is null)
            call.SetArgument(OptionsIndex(call), options with { RequestId = Guid.NewGuid().ToString("N") });
    }

    /// <summary>Subtracts the time already waited from a call's maximum wait, so that the next attempt waits for the rest.</summary>
    public static void Waited(IInvokable call, TimeSpan waited)
    {
        if (ActorOf(call) != Actor.RateLimiter || !IsAcquire(call) || RequestOf(call) is not { MaxWait.Ticks: > 0 } request) return;
        call.SetArgument(0, request with { MaxWait = request.MaxWait > waited ? request.MaxWait - waited : TimeSpan.Zero });
    }

    // Messages of Orleans' placement, which runs before anything is sent. With any other message the call is not retried.
    private static bool WasNotPlaced(string message) =>
        (message.StartsWith("Silo '", StringComparison.Ordinal) && message.EndsWith("' is shutting down.", StringComparison.Ordinal))
        || message.EndsWith("because there are no compatible silos.", StringComparison.Ordinal);

    // None for the app's own grains, about which nothing is known.
    private static Actor ActorOf(IInvokable call)
    {
        var type = call.GetInterfaceType();
        return type == typeof(IUserGrain) ? Actor.User
            : type == typeof(IRateLimiterGrain) ? Actor.RateLimiter
            : type == typeof(IClusterGrain) ? Actor.Cluster
            : type == typeof(IRedisBreakerGrain) ? Actor.RedisBreaker
            : type == typeof(IWriteBehindGrain) ? Actor.WriteBehind
            : Actor.None;
    }

    private static bool IsWrite(IInvokable call) =>
        call.GetMethodName() is nameof(IUserGrain.UpdateAsync) or nameof(IUserGrain.DeleteAsync);

    private static bool IsAcquire(IInvokable call) =>
        call.GetMethodName() is nameof(IRateLimiterGrain.AcquireAsync) or nameof(IRateLimiterGrain.AcquireManyAsync);

    // Null for a call with many requests.
    private static RateLimitRequest? RequestOf(IInvokable call) => call.GetArgument(0) as RateLimitRequest;

    private static WriteOptions? OptionsOf(IInvokable call) =>
        (WriteOptions?)call.GetArgument(OptionsIndex(call));

    // The index before the cancellation token, which is the last argument.
    private static int OptionsIndex(IInvokable call) => call.GetArgumentCount() - 2;

    private enum Actor
    {
        None,
        User,
        RateLimiter,
        Cluster,
        RedisBreaker,
        WriteBehind,
    }
}
