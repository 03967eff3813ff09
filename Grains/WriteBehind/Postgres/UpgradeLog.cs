using DbUp.Engine.Output;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// Passes DbUp's messages to a logger. Information and errors become debug: each start reports that there is nothing to do, and
/// the caller reports errors.
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
