using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace Actors;

/// <summary>Puts the exception handler of the framework before all else, for apps that do not put it anywhere themselves.</summary>
internal sealed class ExceptionHandlerSetup : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.UseExceptionHandler();
        next(app);
    };
}
