using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Actors;

/// <summary>Answers the errors of the cluster with the HTTP status and problem details (RFC 9457) that fit them.</summary>
public static class ActorsProblemDetailsExtensions
{
    /// <summary>
    /// Answers the errors of the cluster, in development as well. It puts <c>app.UseExceptionHandler()</c> before all else;
    /// handlers and customizations of the app itself stay.
    /// </summary>
    /// <remarks>
    /// <list type="table">
    /// <item><term>400</term><description><see cref="InvalidUserException"/>, <see cref="InvalidRateLimitException"/></description></item>
    /// <item><term>404</term><description><see cref="SiloNotFoundException"/></description></item>
    /// <item><term>409</term><description>
    /// <see cref="VersionConflictException"/> with <c>currentVersion</c>; <see cref="WriteParkedException"/> with <c>version</c>
    /// </description></item>
    /// <item><term>429</term><description><see cref="OverloadedException"/>: nothing was done, and <c>Retry-After</c> says when to repeat it</description></item>
    /// <item><term>503</term><description>
    /// all others, with <c>Retry-After</c>; <c>mayHaveTakenEffect</c> says whether the call may have been carried out
    /// </description></item>
    /// </list>
    /// A 503 is logged as a warning with its exception and tells the caller nothing of the cause; the others are logged at the
    /// level debug. In development the developer exception page logs them all as errors first, unless the app calls
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
