using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace Actors;

/// <summary>Adds the framework's exception handler before all other middleware, for apps that do not add it themselves.</summary>
internal sealed class ExceptionHandlerSetup : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.UseExceptionHandler();
        next(app);
    };
}
