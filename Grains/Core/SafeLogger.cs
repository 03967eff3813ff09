using Microsoft.Extensions.Logging;

namespace Actors.Core;

/// <summary>A logger that swallows its own failures. A lost log line costs less than the failed work it describes.</summary>
internal class SafeLogger(ILogger inner) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
    {
        try
        {
            return inner.BeginScope(state);
        }
        catch (Exception)
        {
            return null;
        }
    }

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return inner.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return false;
        }
    }

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            inner.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            // The failure cannot be reported anywhere else.
        }
    }
}

/// <inheritdoc/>
internal sealed class SafeLogger<T>(ILoggerFactory factory) : SafeLogger(factory.CreateLogger<T>()), ILogger<T>;
