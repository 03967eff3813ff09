using System.Globalization;

namespace Actors.Soak;

/// <summary>Writes timestamped events to the console and a file. Thread-safe.</summary>
internal sealed class Diary(string file, ProgressLine line) : IDisposable
{
    // Guards the writer and whether it is open.
    private readonly Lock _gate = new();
    private readonly StreamWriter _writer = new(file) { AutoFlush = true };
    private bool _isClosed;

    public void Write(string what)
    {
        var entry = string.Create(CultureInfo.InvariantCulture, $"{DateTime.Now:HH:mm:ss}  {what}");
        lock (_gate)
        {
            if (!_isClosed) _writer.WriteLine(entry);
        }
        line.Above(entry);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = true;
            _writer.Dispose();
        }
    }
}
