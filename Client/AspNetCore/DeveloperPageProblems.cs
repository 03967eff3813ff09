using Microsoft.AspNetCore.Diagnostics;

namespace Actors;

/// <summary>
/// Answers the errors of the cluster while an app is developed, too, in place of the developer exception page, which catches
/// them first. It has logged them by then.
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
