using System.Text.Encodings.Web;
using System.Text.Json;
using System.Threading.Channels;

namespace Actors.Cli.Load;

/// <summary>
/// Writes entries to a ledger, one JSON line each, in the background so that the load does not wait for the disk. The file is
/// complete only after <see cref="CompleteAsync"/> returns.
/// </summary>
internal sealed class LedgerWriter<TEntry> : IAsyncDisposable
    where TEntry : struct, ILedgerLine
{
    private const int Buffered = 64 * 1024;

    private readonly Channel<TEntry> _entries = Channel.CreateBounded<TEntry>(
        new BoundedChannelOptions(Buffered) { SingleReader = true });

    private readonly FileStream _stream;
    private readonly Task _writing;

    /// <summary>Starts a new ledger and overwrites an existing one.</summary>
    public LedgerWriter(string file)
    {
        File = file;
        _stream = new(file, FileMode.Create, FileAccess.Write, FileShare.Read, 256 * 1024);
        _writing = Task.Run(WriteAllAsync);
    }

    public string File { get; }

    /// <summary>The number of entries in the file.</summary>
    public long Written { get; private set; }

    /// <summary>Adds an entry; waits if the disk is slower than the cluster.</summary>
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

    /// <summary>Writes the remaining entries and closes the file.</summary>
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
            // The callers of AddAsync and CompleteAsync get the failure.
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
            // Releases entries that wait for room.
            _entries.Writer.TryComplete(e);
            throw;
        }
    }
}
