using System.Text.Encodings.Web;
using System.Text.Json;
using System.Threading.Channels;

namespace Actors.Cli.Load;

/// <summary>
/// Writes entries to a ledger, a line of JSON each, in the background, so that the load does not wait for a disk. Complete
/// only once <see cref="CompleteAsync"/> has returned.
/// </summary>
internal sealed class LedgerWriter<TEntry> : IAsyncDisposable
    where TEntry : struct, ILedgerLine
{
    private const int Buffered = 64 * 1024;

    private readonly Channel<TEntry> _entries = Channel.CreateBounded<TEntry>(
        new BoundedChannelOptions(Buffered) { SingleReader = true });

    private readonly FileStream _stream;
    private readonly Task _writing;

    /// <summary>Begins the ledger afresh, over any that was there.</summary>
    public LedgerWriter(string file)
    {
        File = file;
        _stream = new(file, FileMode.Create, FileAccess.Write, FileShare.Read, 256 * 1024);
        _writing = Task.Run(WriteAllAsync);
    }

    public string File { get; }

    /// <summary>How many entries stand in the file.</summary>
    public long Written { get; private set; }

    /// <summary>Adds an entry; waits where the disk is slower than the cluster.</summary>
    /// <exception cref="IOException">The ledger cannot be written.</exception>
    public async ValueTask AddAsync(TEntry entry)
    {
        try
        {
            await _entries.Writer.WriteAsync(entry);
        }
        catch (ChannelClosedException e)
        {
            throw new IOException($"the ledger '{File}' cannot be written: {e.InnerException?.Message ?? "it is closed"}", e);
        }
    }

    /// <summary>Writes what is left and closes the file.</summary>
    public async Task CompleteAsync()
    {
        _entries.Writer.TryComplete();
        await _writing;
    }

    public async ValueTask DisposeAsync()
    {
        _entries.Writer.TryComplete();
        try
        {
            await _writing;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Whoever added an entry, or waited for the end, was told.
        }
        await _stream.DisposeAsync();
    }

    private async Task WriteAllAsync()
    {
        try
        {
            await using var json = new Utf8JsonWriter(_stream, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
            await foreach (var entry in _entries.Reader.ReadAllAsync())
            {
                entry.WriteTo(json);
                json.Flush();
                json.Reset();
                _stream.WriteByte((byte)'\n');
                Written++;
            }
            await _stream.FlushAsync();
        }
        catch (Exception e)
        {
            // Entries that wait for room must not wait for ever.
            _entries.Writer.TryComplete(e);
            throw;
        }
    }
}
