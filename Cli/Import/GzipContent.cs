using ICSharpCode.SharpZipLib;
using ICSharpCode.SharpZipLib.GZip;

namespace Actors.Cli.Import;

/// <summary>
/// The content of a gzip file. A truncated or damaged file is an error, whereas <c>GZipStream</c> silently returns shorter
/// content.
/// </summary>
internal sealed class GzipContent(Stream compressed) : Stream
{
    private readonly GZipInputStream _content = new(compressed);

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <exception cref="InvalidDataException">The file is truncated or damaged.</exception>
    public override int Read(byte[] buffer, int offset, int count)
    {
        try
        {
            return _content.Read(buffer, offset, count);
        }
        catch (Exception error) when (error is SharpZipBaseException or EndOfStreamException)
        {
            throw new InvalidDataException($"the gzip file is truncated or damaged ({error.Message})", error);
        }
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _content.Dispose();
        base.Dispose(disposing);
    }
}
