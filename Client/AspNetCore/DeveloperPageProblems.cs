using Microsoft.AspNetCore.Diagnostics;

namespace Actors;

/// <summary>
/// Maps errors of the cluster in development, too, instead of the developer exception page, which catches and logs them first.
/// </summary>
internal sealed class DeveloperPageProblems(ActorsExceptionHandler handler) : IDeveloperPageExceptionFilter
{
    public async Task HandleExceptionAsync(ErrorContext errorContext, Func<ErrorContext, Task> next)
    {
        var context = errorContext.HttpContext;
        if (!await handler.TryHandleAsync(context, errorContext.Exception, context.RequestAborted).ConfigureAwait(false))
            await next(errorContext).ConfigureAwait(false);
    }
}
