using System.Globalization;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace Actors;

/// <summary>
/// Writes the response for a denied request: 429 with <c>Retry-After</c>, or 503 if the cluster did not answer and the app denies
/// then, or if it is overloaded. Problem details (RFC 9457) use the types that the draft of the headers registers.
/// </summary>
internal static class DeniedResponse
{
    private const string Types = "https://iana.org/assignments/http-problem-types#";

    /// <summary>
    /// Writes the response. The app's OnRejected runs after status and headers, and before the body, which is written only if the app
    /// has not begun one.
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

    /// <summary>The problem of the denial; null if another limiter denied.</summary>
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
            Detail = string.Create(
                CultureInfo.InvariantCulture, $"At most {decision.Window.Limit} permits are granted in {decision.Window.Duration.TotalSeconds} s."),
            Extensions = { ["violated-policies"] = new[] { RateLimitHeaders.NameOf(decision, decision.Window) } },
        };
    }

    private static long RetryAfter(RateLimitLease lease) =>
        RateLimitHeaders.SecondsOf(lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? after : TimeSpan.Zero);
}
