namespace Actors.Fixtures;

/// <summary>A file to which any thread appends lines.</summary>
internal sealed class LineLog(string file) : IDisposable
{
    // Guards the writer and whether it is open: a process may write its last lines during the disposal.
    private readonly Lock _gate = new();
    private readonly StreamWriter _writer = new(new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete));
    private bool _isClosed;

    public string File { get; } = file;

    public void Write(string line)
    {
        lock (_gate)
        {
            if (_isClosed) return;
            _writer.WriteLine(line);
            _writer.Flush();
        }
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
