using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Actors;

/// <summary>Maps an error of the cluster to an HTTP response.</summary>
internal static class ExceptionProblem
{
    // For errors without a time to retry: a silo that died is replaced within seconds.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5);

    /// <summary>The problem, and when to retry the request; null if the error is not one of the cluster.</summary>
    /// <remarks>
    /// Errors of the caller include their message. Internal errors do not, to hide addresses and database messages from callers.
    /// </remarks>
    public static (ProblemDetails Problem, TimeSpan? RetryAfter)? Of(Exception error) => error switch
    {
        InvalidUserException or InvalidRateLimitException => (New(StatusCodes.Status400BadRequest, "The request is invalid.", error.Message), null),
        SiloNotFoundException => (New(StatusCodes.Status404NotFound, "There is no such silo.", error.Message), null),
        VersionConflictException conflict => (
            New(
                StatusCodes.Status409Conflict, "The user was changed meanwhile.", conflict.Message,
                ("expectedVersion", conflict.ExpectedVersion), ("currentVersion", conflict.CurrentVersion)),
            null),
        WriteParkedException parked => (
            New(
                StatusCodes.Status409Conflict, "The database refused the user.",
                $"Version {parked.Version} stands and is durable, but the database refused its content. Do not repeat the write.",
                ("version", parked.Version)),
            null),
        OverloadedException overloaded => (
            New(StatusCodes.Status429TooManyRequests, "The service is overloaded.", "Nothing was done. Repeat the request later."),
            overloaded.RetryAfter),
        ClusterUnreachableException unreachable => Unavailable(unreachable.MayHaveTakenEffect),
        LimiterMovedException or SiloEvictedException or ClusterNotFoundException => Unavailable(mayHaveTakenEffect: false),
        StorageUnavailableException unavailable => Unavailable(unavailable.MayHaveTakenEffect),
        UnexpectedErrorException unexpected => Unavailable(unexpected.MayHaveTakenEffect),
        ActorsException => Unavailable(mayHaveTakenEffect: true),
        _ => null,
    };

    private static (ProblemDetails Problem, TimeSpan? RetryAfter) Unavailable(bool mayHaveTakenEffect) => (
        New(
            StatusCodes.Status503ServiceUnavailable, "The service is not available at present.",
            mayHaveTakenEffect ? "The request may have taken effect, or may still do so." : "Nothing was done. Repeat the request later.",
            ("mayHaveTakenEffect", mayHaveTakenEffect)),
        Soon);

    private static ProblemDetails New(int status, string title, string detail, params ReadOnlySpan<(string Name, object Value)> extensions)
    {
        var problem = new ProblemDetails { Status = status, Title = title, Detail = detail };
        foreach (var (name, value) in extensions) problem.Extensions[name] = value;
        return problem;
    }
}
