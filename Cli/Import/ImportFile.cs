using System.Buffers;
using System.IO.Pipelines;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Import;

/// <summary>The input of an import: a file, compressed or not, or a pipe, which can be read only once.</summary>
internal sealed class ImportFile : IAsyncDisposable
{
    // Longer than any signature, because blanks may precede the first character of a text.
    private const int Peeked = 4096;

    private readonly Stream _raw;

    private ImportFile(Stream raw, Stream content, string fingerprint, bool isResumable, ImportFormat format)
    {
        _raw = raw;
        Content = content;
        Fingerprint = fingerprint;
        IsResumable = isResumable;
        Format = format;
    }

    /// <summary>The decompressed content.</summary>
    public Stream Content { get; }

    /// <summary>Identifies the content; for a pipe, identifies this import.</summary>
    public string Fingerprint { get; }

    /// <summary>True if it can be read again from its beginning and have a progress file next to it.</summary>
    public bool IsResumable { get; }

    public ImportFormat Format { get; }

    /// <summary>The fraction read so far; null if the length is unknown.</summary>
    public int? Percent => _raw.CanSeek ? (int)(_raw.Position * 100 / Math.Max(1, _raw.Length)) : null;

    /// <summary>Opens a file; <c>-</c> is standard input.</summary>
    /// <exception cref="UsageException">The file does not exist or its format is unknown.</exception>
    public static async Task<ImportFile> OpenAsync(string path, string? format, Func<Stream> openInput, CancellationToken cancellationToken)
    {
        var named = ImportFormats.Of(format, path);
        var raw = Open(path, openInput);
        try
        {
            var isResumable = raw.CanSeek && !IsDevice(path);
            var fingerprint = isResumable ? await Import.Fingerprint.OfAsync(raw, cancellationToken) : Guid.NewGuid().ToString("n");
            var (content, begins) = await PeekAsync(raw, cancellationToken);
            if (FileSignature.IsGzip(begins))
                (content, begins) = await PeekAsync(new GzipContent(content), cancellationToken);
            if (FileSignature.Problem(begins) is { } problem)
                throw new UsageException($"'{Text.Short(path)}' {problem}");
            return new(raw, content, fingerprint, isResumable, named.With(begins));
        }
        catch
        {
            await raw.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Content.DisposeAsync();
        await _raw.DisposeAsync();
    }

    private static Stream Open(string path, Func<Stream> openInput)
    {
        if (path == "-")
            return openInput();
        if (Directory.Exists(path))
            throw new UsageException($"'{Text.Short(path)}' is a directory");
        if (!File.Exists(path))
            throw new UsageException($"there is no file '{Text.Short(path)}'");
        return new FileStream(
            path, FileMode.Open, FileAccess.Read, FileShare.Read, 64 * 1024, FileOptions.Asynchronous | FileOptions.SequentialScan);
    }

    /// <summary>
    /// True for names that mean another file each time, such as /dev/stdin. They cannot have a progress file.
    /// </summary>
    private static bool IsDevice(string path)
    {
        if (path == "-")
            return true;
        var full = Path.GetFullPath(path);
        return full.StartsWith("/dev/", StringComparison.Ordinal) || full.StartsWith("/proc/", StringComparison.Ordinal);
    }

    /// <summary>Reads the first bytes of a stream; the returned stream starts with them again.</summary>
    private static async Task<(Stream Stream, byte[] Begins)> PeekAsync(Stream stream, CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(stream, new(bufferSize: 64 * 1024, minimumReadSize: Peeked));
        var read = await reader.ReadAtLeastAsync(Peeked, cancellationToken);
        var begins = read.Buffer.Slice(0, Math.Min(Peeked, read.Buffer.Length)).ToArray();
        reader.AdvanceTo(read.Buffer.Start);
        return (reader.AsStream(), begins);
    }
}
