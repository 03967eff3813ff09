using DbUp.Engine.Output;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// Passes what DbUp has to say to a logger, its information and errors as debug: on each start it tells that there is nothing
/// to do, and whoever runs it reports its error.
/// </summary>
internal sealed class UpgradeLog(ILogger logger) : IUpgradeLog
{
#pragma warning disable CA1848, CA2254 // The templates are DbUp's own.
    public void LogTrace(string format, params object[] args) => logger.LogTrace(format, args);

    public void LogDebug(string format, params object[] args) => logger.LogDebug(format, args);

    public void LogInformation(string format, params object[] args) => logger.LogDebug(format, args);

    public void LogWarning(string format, params object[] args) => logger.LogWarning(format, args);

    public void LogError(string format, params object[] args) => logger.LogDebug(format, args);

    public void LogError(Exception ex, string format, params object[] args) => logger.LogDebug(ex, format, args);
}
