using Microsoft.Extensions.Logging;

namespace Actors.Embedded;

/// <summary>
/// Loggers for Garnet that lower some levels to Debug: its information is of interest only to its developers, and it logs the
/// cancellation of its background tasks at a stop as errors.
/// </summary>
internal sealed class QuietLoggers(ILoggerFactory loggers) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => new Quiet(loggers.CreateLogger($"Garnet.{categoryName}"));

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    // The loggers belong to the host.
    public void Dispose()
    {
    }

    private sealed class Quiet(ILogger logger) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => logger.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => logger.IsEnabled(Lower(logLevel));

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var level = exception is OperationCanceledException ? LogLevel.Debug : Lower(logLevel);
            if (logger.IsEnabled(level))
                logger.Log(level, eventId, state, exception, formatter);
        }

        private static LogLevel Lower(LogLevel level) => level == LogLevel.Information ? LogLevel.Debug : level;
    }
}
