using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Actors.Silo.Logging;

/// <summary>
/// Quotes what a formatter of plain text writes: ids, reasons and messages of others may hold line breaks and codes that a
/// terminal acts on, with which they could forge lines of the log. JSON escapes them by itself.
/// </summary>
internal sealed class QuotingFormatter(ConsoleFormatter inner) : ConsoleFormatter(inner.Name), IDisposable
{
    private static readonly string Indented = Environment.NewLine + "      ";

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var quoted = new LogEntry<string>(
            logEntry.LogLevel, logEntry.Category, logEntry.EventId,
            PrintableText.Of(logEntry.Formatter?.Invoke(logEntry.State, logEntry.Exception) ?? ""),
            logEntry.Exception is null ? null : new QuotedException(logEntry.Exception),
            static (text, _) => text);
        inner.Write(quoted, scopeProvider, textWriter);
    }

    public void Dispose() => (inner as IDisposable)?.Dispose();

    private sealed class QuotedException(Exception error) : Exception
    {
        // Its lines are indented, so that none of them looks like an entry of the log.
        public override string ToString() => string.Join(Indented, error.ToString().Split('\n').Select(line => PrintableText.Of(line.TrimEnd('\r'))));
    }
}
