using Actors.Cli.Output;
using Microsoft.Extensions.Logging;

namespace Actors.Cli.Connection;

/// <summary>Shows log messages as notes, one line each.</summary>
internal sealed class TerminalLoggerProvider(Terminal terminal) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new TerminalLogger(terminal, categoryName);

    public void Dispose()
    {
    }

    private sealed class TerminalLogger(Terminal terminal, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
                return;
            var reason = exception is null ? "" : $" ({exception.GetType().Name}: {exception.Message})";
            terminal.Note(Text.Printable($"{logLevel}: {category}: {formatter(state, exception)}{reason}"));
        }
    }
}
