using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Actors;

/// <summary>Maps errors of the cluster to HTTP status codes and problem details (RFC 9457).</summary>
public static class ActorsProblemDetailsExtensions
{
    /// <summary>
    /// Maps errors of the cluster to responses, in development as well. Adds <c>app.UseExceptionHandler()</c> before all other
    /// middleware; the app's own handlers and customizations still apply.
    /// </summary>
    /// <remarks>
    /// <list type="table">
    /// <item><term>400</term><description><see cref="InvalidUserException"/>, <see cref="InvalidRateLimitException"/></description></item>
    /// <item><term>404</term><description><see cref="SiloNotFoundException"/></description></item>
    /// <item><term>409</term><description>
    /// <see cref="VersionConflictException"/> with <c>currentVersion</c>; <see cref="WriteParkedException"/> with <c>version</c>
    /// </description></item>
    /// <item><term>429</term><description><see cref="OverloadedException"/>: nothing was done; retry after <c>Retry-After</c></description></item>
    /// <item><term>503</term><description>
    /// all others, with <c>Retry-After</c>; <c>mayHaveTakenEffect</c> says whether the call may have taken effect
    /// </description></item>
    /// </list>
    /// A 503 is logged as a warning with its exception and does not reveal the cause to the caller; the others are logged at debug
    /// level. In development, the developer exception page first logs all of them as errors, unless the app calls
    /// <c>UseExceptionHandler</c> itself.
    /// </remarks>
    public static IServiceCollection AddActorsProblemDetails(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddProblemDetails();
        services.TryAddSingleton<ActorsExceptionHandler>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IExceptionHandler, ActorsExceptionHandler>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IDeveloperPageExceptionFilter, DeveloperPageProblems>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IStartupFilter, ExceptionHandlerSetup>());
        return services;
    }
}
