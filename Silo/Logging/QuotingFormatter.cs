using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Actors.Silo.Logging;

/// <summary>
/// Escapes the output of a plain text formatter. Ids, reasons and foreign messages may contain line breaks and terminal codes
/// that could forge log lines. JSON escapes them by itself. During the start, errors are logged without stack traces, because
/// the reason of a failed start is printed in one line at the end.
/// </summary>
/// <param name="inner">The formatter that writes the entry.</param>
/// <param name="isText">Whether the formatter writes plain text.</param>
/// <param name="progress">The progress of the start.</param>
internal sealed class QuotingFormatter(ConsoleFormatter inner, bool isText, StartProgress progress) : ConsoleFormatter(inner.Name), IDisposable
{
    private static readonly string Indented = Environment.NewLine + "      ";

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var exception = logEntry.Exception is { } error ? new QuotedException(Text(error)) : null;
        if (!isText)
        {
            inner.Write(
                new LogEntry<TState>(logEntry.LogLevel, logEntry.Category, logEntry.EventId, logEntry.State, exception, logEntry.Formatter),
                scopeProvider, textWriter);
            return;
        }

        var text = PrintableText.Of(logEntry.Formatter?.Invoke(logEntry.State, logEntry.Exception) ?? "");
        inner.Write(
            new LogEntry<string>(logEntry.LogLevel, logEntry.Category, logEntry.EventId, text, exception, static (message, _) => message),
            scopeProvider, textWriter);
    }

    public void Dispose() => (inner as IDisposable)?.Dispose();

    private string Text(Exception error)
    {
        if (!progress.ShowsTraces) return PrintableText.Of($"{error.GetType().Name}: {error.Message}");
        if (!isText) return error.ToString();

        // Indents the lines so that none of them looks like a log entry.
        return string.Join(Indented, error.ToString().Split('\n').Select(line => PrintableText.Of(line.TrimEnd('\r'))));
    }

    private sealed class QuotedException(string text) : Exception(text)
    {
        public override string ToString() => Message;
    }
}
