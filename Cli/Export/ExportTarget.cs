using System.IO.Compression;
using Actors.Cli.Commands;
using Actors.Cli.Import;
using Actors.Cli.Output;

namespace Actors.Cli.Export;

/// <summary>The target of an export. The file gets its final name when it is complete.</summary>
internal sealed class ExportTarget : IAsyncDisposable
{
    private readonly Stream _raw;
    private readonly string? _file;
    private readonly string? _part;

    private ExportTarget(Stream raw, Stream content, string? file, string? part) => (_raw, Content, _file, _part) = (raw, content, file, part);

    /// <summary>The stream to write to.</summary>
    public Stream Content { get; }

    /// <summary>Opens a file, compressed if its name ends in .gz; <c>-</c> is standard output.</summary>
    /// <exception cref="UsageException">The file exists already.</exception>
    public static ExportTarget Open(string path, bool overwrites, Func<Stream> openOutput)
    {
        if (path == "-")
        {
            var output = openOutput();
            return new(output, output, null, null);
        }
        if (Directory.Exists(path))
            throw new UsageException($"'{Text.Short(path)}' is a directory");
        if (File.Exists(path) && !overwrites)
            throw new UsageException($"'{Text.Short(path)}' exists; use --overwrite to replace it");
        var part = path + ".part";
        var file = new FileStream(part, FileMode.Create, FileAccess.Write, FileShare.Read);
        return new(file, IsGzip(path) ? new GZipStream(file, CompressionLevel.Optimal, leaveOpen: true) : file, path, part);
    }

    /// <summary>Completes the file and gives it its final name.</summary>
    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        if (Content != _raw) await Content.DisposeAsync();
        await _raw.FlushAsync(cancellationToken);
        if (_file is null) return;
        ((FileStream)_raw).Flush(flushToDisk: true);
        await _raw.DisposeAsync();
        File.Move(_part!, _file, overwrite: true);
    }

    /// <summary>Removes an incomplete file.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Content != _raw) await Content.DisposeAsync();
        await _raw.DisposeAsync();
        if (_part is not null) File.Delete(_part);
    }

    private static bool IsGzip(string path) => ImportFormats.IsGzip(Path.GetExtension(path).TrimStart('.'));
}
