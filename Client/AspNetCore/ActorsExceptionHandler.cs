using System.Globalization;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Actors;

/// <summary>Maps cluster errors to problem details. Other exceptions pass to the next handler.</summary>
internal sealed partial class ActorsExceptionHandler(IProblemDetailsService problems, ILogger<ActorsExceptionHandler> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (ExceptionProblem.Of(exception) is not var (problem, retryAfter)) return false;

        // The middleware does not log handled errors.
        if (problem.Status >= StatusCodes.Status500InternalServerError) LogUnavailable(problem.Status.Value, exception.Message, exception);
        else LogAnswered(problem.Status!.Value, exception.Message, exception);

        httpContext.Response.StatusCode = problem.Status.Value;
        if (retryAfter is { } after)
            httpContext.Response.Headers.RetryAfter = RateLimitHeaders.SecondsOf(after).ToString(CultureInfo.InvariantCulture);
        var context = new ProblemDetailsContext { HttpContext = httpContext, ProblemDetails = problem, Exception = exception };

        // A client that accepts no JSON gets the status alone.
        await problems.TryWriteAsync(context).ConfigureAwait(false);
        return true;
    }

    [LoggerMessage(EventId = 7041, Level = LogLevel.Warning, Message = "A request is answered with {Status}: {Reason}")]
    private partial void LogUnavailable(int status, string reason, Exception error);

    [LoggerMessage(EventId = 7042, Level = LogLevel.Debug, Message = "A request is answered with {Status}: {Reason}")]
    private partial void LogAnswered(int status, string reason, Exception error);
}
