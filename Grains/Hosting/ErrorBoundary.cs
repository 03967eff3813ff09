using System.Data.Common;
using Actors.Redis;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Orleans.Persistence.Redis;
using Orleans.Serialization.Invocation;
using StackExchange.Redis;

namespace Actors.Hosting;

/// <summary>
/// Lets only the errors of our contract leave our grains. A client may not have the exception types of a driver. It also must
/// not take an error between two silos for one on its own path to the grain.
/// </summary>
internal sealed partial class ErrorBoundary(ILogger<ErrorBoundary> logger) : IIncomingGrainCallFilter
{
    public Task Invoke(IIncomingGrainCallContext context)
    {
        var call = context.Invoke();
        return call.IsCompletedSuccessfully || !IsOurs(context.Grain) ? call : GuardAsync(call, context);
    }

    /// <summary>The answer to a call that did not pass the filter, with an error of the contract.</summary>
    public Response ToContract(Response answer, IInvokable request, GrainId grain) =>
        answer.Exception is { } error and not ActorsException && !IsCancelled(error, request)
            ? Response.FromException(ToContract(error, request.GetMethodName(), grain))
            : answer;

    /// <summary>Converts an error into one for the caller of <paramref name="call"/>.</summary>
    /// <param name="error">The error of the grain.</param>
    /// <param name="call">A description of the call.</param>
    /// <param name="isRead">True if the call changes nothing.</param>
    internal static ActorsException ToContract(Exception error, string call, bool isRead) => error switch
    {
        ActorsException ours => ours,
        RedisUnavailableException redis => new StorageUnavailableException("Redis", redis.Message)
        {
            MayHaveTakenEffect = !isRead && redis.MayHaveHappened,
        },
        RedisException or RedisCommandException or RedisTimeoutException or RedisStorageException =>
            new StorageUnavailableException("Redis", $"{call} failed: Redis: {RedisFailures.Reason(error)}.")
            {
                MayHaveTakenEffect = !isRead && RedisFailures.MayHaveHappened(error),
            },

        // An error with an SQLSTATE is the server's answer, and the statement had no effect.
        DbException database => new StorageUnavailableException("the database", $"{call} failed: the database: {error.Message}")
        {
            MayHaveTakenEffect = !isRead && database.SqlState is null,
        },
        OutOfMemoryException => new StorageUnavailableException("memory", $"{call} failed: the silo is out of memory.")
        {
            MayHaveTakenEffect = !isRead,
        },
        TimeoutException or OrleansException or ConnectionAbortedException =>
            new StorageUnavailableException("another silo", $"{call} failed: another silo did not answer in time.") { MayHaveTakenEffect = !isRead },
        _ => new UnexpectedErrorException(
            $"{call} failed with an unexpected {error.GetType().Name}; see the event UnexpectedError in the silo's log.")
        {
            MayHaveTakenEffect = !isRead,
        },
    };

    private async Task GuardAsync(Task call, IIncomingGrainCallContext context)
    {
        try
        {
            // Nothing below uses the grain's state.
            await call.ConfigureAwait(false);
        }
        catch (Exception error) when (error is not ActorsException && !IsCancelled(error, context.Request))
        {
            throw ToContract(error, context.MethodName, context.TargetId);
        }
    }

    private ActorsException ToContract(Exception error, string method, GrainId grain)
    {
        var call = $"{method} of {grain}";
        var typed = ToContract(error, call, IsRead(method));
        if (typed is UnexpectedErrorException) LogUnexpected(logger, call, error);
        return typed;
    }

    private static bool IsOurs(object grain) =>
        grain is IUserGrain or IRateLimiterGrain or IClusterGrain or IRedisBreakerGrain or IWriteBehindGrain;

    private static bool IsCancelled(Exception error, IInvokable request) =>
        error is OperationCanceledException && request.GetCancellationToken().IsCancellationRequested;

    private static bool IsRead(string method) =>
        method.StartsWith("Get", StringComparison.Ordinal) || method.StartsWith("Peek", StringComparison.Ordinal);

    [LoggerMessage(EventId = 2101, EventName = "UnexpectedError", Level = LogLevel.Error, Message = "{Call} failed with an unexpected error")]
    private static partial void LogUnexpected(ILogger logger, string call, Exception error);
}
