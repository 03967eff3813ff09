using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Actors.Silo.Logging;

/// <summary>
/// Quotes what a formatter of plain text writes: ids, reasons and messages of others may hold line breaks and codes that a
/// terminal acts on, with which they could forge lines of the log. JSON escapes them by itself. While the silo starts, what
/// fails is written without its trace: why it does not start is said in one line when it ends.
/// </summary>
/// <param name="inner">What writes.</param>
/// <param name="isText">Whether it writes plain text.</param>
/// <param name="progress">How far the start is.</param>
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

        // Its lines are indented, so that none of them looks like an entry of the log.
        return string.Join(Indented, error.ToString().Split('\n').Select(line => PrintableText.Of(line.TrimEnd('\r'))));
    }

    private sealed class QuotedException(string text) : Exception(text)
    {
        public override string ToString() => Message;
    }
}
