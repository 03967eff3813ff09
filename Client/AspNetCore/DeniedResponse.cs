using System.Globalization;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace Actors;

/// <summary>
/// What a denied client is answered: 429 with <c>Retry-After</c>, or 503 if the cluster did not answer and the app wants
/// that denied, or is overloaded; with problem details (RFC 9457) of the types that the draft of the headers registers.
/// </summary>
internal static class DeniedResponse
{
    private const string Types = "https://iana.org/assignments/http-problem-types#";

    /// <summary>
    /// Answers. What the app does for denied requests comes after status and headers, and before the body, which is written
    /// only where the app has begun none.
    /// </summary>
    public static async ValueTask WriteAsync(
        OnRejectedContext context, Func<OnRejectedContext, CancellationToken, ValueTask>? apps, CancellationToken cancellationToken)
    {
        var problem = ProblemOf(context.Lease);
        var response = context.HttpContext.Response;
        if (problem is not null)
        {
            response.StatusCode = problem.Status!.Value;
            response.Headers.RetryAfter = RetryAfter(context.Lease).ToString(CultureInfo.InvariantCulture);
        }

        if (apps is not null) await apps(context, cancellationToken).ConfigureAwait(false);
        if (problem is null || response.HasStarted || response.StatusCode != problem.Status) return;

        if (context.HttpContext.RequestServices.GetService<IProblemDetailsService>() is { } service)
            await service.TryWriteAsync(new() { HttpContext = context.HttpContext, ProblemDetails = problem }).ConfigureAwait(false);
        else
            await response.WriteAsJsonAsync(problem, options: null, "application/problem+json", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Null where it was not us who denied.</summary>
    private static ProblemDetails? ProblemOf(RateLimitLease lease)
    {
        if (lease == UndecidedLease.Misconfigured)
        {
            return new()
            {
                Title = "The limits of this endpoint are not configured.",
                Status = StatusCodes.Status503ServiceUnavailable,
                Detail = "The log of the app says what to set.",
            };
        }

        if (lease.TryGetMetadata(RateLimitMetadata.IsUndecided, out _))
        {
            return new()
            {
                Type = Types + "temporary-reduced-capacity",
                Title = "Request cannot be satisfied due to temporary server capacity constraints",
                Status = StatusCodes.Status503ServiceUnavailable,
                Detail = lease.TryGetMetadata(MetadataName.ReasonPhrase, out var reason) ? reason : "The rate limiter does not answer.",
            };
        }

        if (!lease.TryGetMetadata(RateLimitMetadata.Decision, out var decision) || decision is null) return null;
        return new()
        {
            Type = Types + "quota-exceeded",
            Title = "Request cannot be satisfied as assigned quota has been exceeded",
            Status = StatusCodes.Status429TooManyRequests,
            Detail = string.Create(CultureInfo.InvariantCulture, $"{decision.Window.Limit} permits in {decision.Window.Duration.TotalSeconds} s are granted at most."),
            Extensions = { ["violated-policies"] = new[] { RateLimitHeaders.NameOf(decision, decision.Window) } },
        };
    }

    private static long RetryAfter(RateLimitLease lease) =>
        RateLimitHeaders.SecondsOf(lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? after : TimeSpan.Zero);
}
