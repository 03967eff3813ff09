using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Orleans.Runtime.Messaging;
using Orleans.Serialization;

namespace Actors;

/// <summary>Which calls may be made again, and after what.</summary>
internal static class RetryClassifier
{
    /// <summary>
    /// True where a call does no more when it is made twice than when it is made once: so it may be repeated whatever
    /// became of the first. A write is that only with a request id; with an expected version its repetition would conflict
    /// with itself. So is an acquisition; one that may wait takes longer than an attempt. Giving back unused grants twice would
    /// free the permits of others.
    /// </summary>
    public static bool IsRepeatable(IOutgoingGrainCallContext call) => call.Grain switch
    {
        IUserGrain => !IsWrite(call) || OptionsOf(call)?.RequestId is not null,
        IClusterGrain or IRedisBreakerGrain => true,
        IRateLimiterGrain when call.MethodName == nameof(IRateLimiterGrain.RefundUnusedAsync) => false,
        IRateLimiterGrain => !IsAcquire(call) || RequestOf(call) is { RequestId: not null, MaxWait.Ticks: 0 },

        // Of the app's own grains nothing is known.
        _ => false,
    };

    /// <summary>
    /// True where the error says that no silo has begun with the call, so that any call may be made again: it was rejected
    /// on its way, or never sent. Orleans says <see cref="SiloUnavailableException"/>, a rejection by its type, both of a
    /// call it did not send and of one whose connection broke: that is none of these, unless it says that no silo was
    /// looked for or found.
    /// </summary>
    public static bool WasNotBegun(Exception error) => error switch
    {
        SiloUnavailableException => WasNotPlaced(error.Message),
        OrleansMessageRejectionException or GatewayTooBusyException or ConnectionFailedException => true,

        // It had begun, but has done nothing.
        LimiterMovedException or SiloEvictedException => true,
        _ => false,
    };

    /// <summary>True where the call may have been carried out or not, and the next attempt may be answered.</summary>
    public static bool MayHaveBegun(Exception error) => error is SiloUnavailableException or TimeoutException;

    /// <summary>True of calls to the actors; of the app's own grains the app expects the errors of Orleans.</summary>
    public static bool IsOurs(IOutgoingGrainCallContext call) =>
        call.Grain is IUserGrain or IRateLimiterGrain or IClusterGrain or IRedisBreakerGrain or IWriteBehindGrain;

    /// <summary>True if an actor answers it within seconds, so that a longer silence means something.</summary>
    public static bool IsSoonAnswered(IOutgoingGrainCallContext call) => call.Grain switch
    {
        // A commit may take as long as the database is given.
        IUserGrain => call.MethodName is not (nameof(IUserGrain.FlushAsync) or nameof(IUserGrain.WaitForAsync))
            && !(IsWrite(call) && OptionsOf(call)?.Durability == Durability.Database),
        IClusterGrain or IRedisBreakerGrain => true,
        IRateLimiterGrain => !IsAcquire(call) || RequestOf(call) is { MaxWait.Ticks: 0 },
        _ => false,
    };

    /// <summary>True of the call of <see cref="LostCalls"/> itself.</summary>
    public static bool AsksForLostCalls(IOutgoingGrainCallContext call) =>
        call.Grain is IClusterGrain && call.MethodName == nameof(IClusterGrain.GetDeathsAsync);

    /// <summary>True where no actor has answered: the call did not arrive, or its answer did not.</summary>
    public static bool IsFailureOnTheWay(Exception error) => error is
        TimeoutException or OrleansException or ConnectionAbortedException or IOException or SocketException

        // The client is not connected yet, or no more; or what came back is of another version.
        or InvalidOperationException or SerializerException;

    /// <summary>Names a write that has no name.</summary>
    public static void NameWrite(IOutgoingGrainCallContext call)
    {
        if (call.Grain is not IUserGrain || !IsWrite(call)) return;
        var options = OptionsOf(call) ?? WriteOptions.Default;
        if (options.RequestId is null)
            call.Request.SetArgument(OptionsIndex(call), options with { RequestId = Guid.NewGuid().ToString("N") });
    }

    /// <summary>A call that was willing to wait has waited so long already; the next attempt waits for the rest.</summary>
    public static void Waited(IOutgoingGrainCallContext call, TimeSpan waited)
    {
        if (call.Grain is not IRateLimiterGrain || !IsAcquire(call) || RequestOf(call) is not { MaxWait.Ticks: > 0 } request) return;
        call.Request.SetArgument(0, request with { MaxWait = request.MaxWait > waited ? request.MaxWait - waited : TimeSpan.Zero });
    }

    // The words of Orleans' placement, which comes before anything is sent. In other words, it is not repeated.
    private static bool WasNotPlaced(string message) =>
        (message.StartsWith("Silo '", StringComparison.Ordinal) && message.EndsWith("' is shutting down.", StringComparison.Ordinal))
        || message.EndsWith("because there are no compatible silos.", StringComparison.Ordinal);

    private static bool IsWrite(IOutgoingGrainCallContext call) =>
        call.MethodName is nameof(IUserGrain.UpdateAsync) or nameof(IUserGrain.DeleteAsync);

    private static bool IsAcquire(IOutgoingGrainCallContext call) =>
        call.MethodName is nameof(IRateLimiterGrain.AcquireAsync) or nameof(IRateLimiterGrain.AcquireManyAsync);

    // None where it is a call of many.
    private static RateLimitRequest? RequestOf(IOutgoingGrainCallContext call) => call.Request.GetArgument(0) as RateLimitRequest;

    private static WriteOptions? OptionsOf(IOutgoingGrainCallContext call) =>
        (WriteOptions?)call.Request.GetArgument(OptionsIndex(call));

    // Before the cancellation token, which is the last.
    private static int OptionsIndex(IOutgoingGrainCallContext call) => call.Request.GetArgumentCount() - 2;
}
