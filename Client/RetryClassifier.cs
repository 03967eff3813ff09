using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Orleans.Runtime.Messaging;
using Orleans.Serialization;

namespace Actors;

/// <summary>Decides which calls may be retried, and after which errors.</summary>
internal static class RetryClassifier
{
    /// <summary>
    /// True if a call is idempotent, so it may be retried whatever became of the first attempt. A write is idempotent only with a
    /// request id; a retry with an expected version would conflict with its own first attempt. The same holds for acquisitions; one
    /// that may wait takes longer than an attempt. Refunding unused grants twice would free the permits of others.
    /// </summary>
    public static bool IsRepeatable(IOutgoingGrainCallContext call) => call.Grain switch
    {
        IUserGrain => !IsWrite(call) || OptionsOf(call)?.RequestId is not null,
        IClusterGrain or IRedisBreakerGrain => true,
        IRateLimiterGrain when call.MethodName == nameof(IRateLimiterGrain.RefundUnusedAsync) => false,
        IRateLimiterGrain => !IsAcquire(call) || RequestOf(call) is { RequestId: not null, MaxWait.Ticks: 0 },

        // Nothing is known about the app's own grains.
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
    public static bool IsOurs(IOutgoingGrainCallContext call) =>
        call.Grain is IUserGrain or IRateLimiterGrain or IClusterGrain or IRedisBreakerGrain or IWriteBehindGrain;

    /// <summary>True if an actor answers the call within seconds, so a longer silence indicates a problem.</summary>
    public static bool IsSoonAnswered(IOutgoingGrainCallContext call) => call.Grain switch
    {
        // A commit may take as long as the database's timeouts allow.
        IUserGrain => call.MethodName is not (nameof(IUserGrain.FlushAsync) or nameof(IUserGrain.WaitForAsync))
            && !(IsWrite(call) && OptionsOf(call)?.Durability == Durability.Database),
        IClusterGrain or IRedisBreakerGrain => true,
        IRateLimiterGrain => !IsAcquire(call) || RequestOf(call) is { MaxWait.Ticks: 0 },
        _ => false,
    };

    /// <summary>True for the call that <see cref="LostCalls"/> makes itself.</summary>
    public static bool AsksForLostCalls(IOutgoingGrainCallContext call) =>
        call.Grain is IClusterGrain && call.MethodName == nameof(IClusterGrain.GetDeathsAsync);

    /// <summary>True if no actor has answered: the call or its answer did not arrive.</summary>
    public static bool IsFailureOnTheWay(Exception error) => error is
        TimeoutException or OrleansException or ConnectionAbortedException or IOException or SocketException

        // The client is not connected yet or no longer; or the answer is of another version.
        or InvalidOperationException or SerializerException;

    /// <summary>Assigns a request id to a write that has none.</summary>
    public static void AssignRequestId(IOutgoingGrainCallContext call)
    {
        if (call.Grain is not IUserGrain || !IsWrite(call)) return;
        var options = OptionsOf(call) ?? WriteOptions.Default;
        if (options.RequestId is null)
            call.Request.SetArgument(OptionsIndex(call), options with { RequestId = Guid.NewGuid().ToString("N") });
    }

    /// <summary>Subtracts the time already waited from a call's maximum wait, so that the next attempt waits for the rest.</summary>
    public static void Waited(IOutgoingGrainCallContext call, TimeSpan waited)
    {
        if (call.Grain is not IRateLimiterGrain || !IsAcquire(call) || RequestOf(call) is not { MaxWait.Ticks: > 0 } request) return;
        call.Request.SetArgument(0, request with { MaxWait = request.MaxWait > waited ? request.MaxWait - waited : TimeSpan.Zero });
    }

    // Messages of Orleans' placement, which runs before anything is sent. With any other message the call is not retried.
    private static bool WasNotPlaced(string message) =>
        (message.StartsWith("Silo '", StringComparison.Ordinal) && message.EndsWith("' is shutting down.", StringComparison.Ordinal))
        || message.EndsWith("because there are no compatible silos.", StringComparison.Ordinal);

    private static bool IsWrite(IOutgoingGrainCallContext call) =>
        call.MethodName is nameof(IUserGrain.UpdateAsync) or nameof(IUserGrain.DeleteAsync);

    private static bool IsAcquire(IOutgoingGrainCallContext call) =>
        call.MethodName is nameof(IRateLimiterGrain.AcquireAsync) or nameof(IRateLimiterGrain.AcquireManyAsync);

    // Null for a call with many requests.
    private static RateLimitRequest? RequestOf(IOutgoingGrainCallContext call) => call.Request.GetArgument(0) as RateLimitRequest;

    private static WriteOptions? OptionsOf(IOutgoingGrainCallContext call) =>
        (WriteOptions?)call.Request.GetArgument(OptionsIndex(call));

    // The index before the cancellation token, which is the last argument.
    private static int OptionsIndex(IOutgoingGrainCallContext call) => call.Request.GetArgumentCount() - 2;
}
