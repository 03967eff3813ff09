using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Actors.Cli.Import;

/// <summary>One line of a file.</summary>
/// <param name="Number">The line number; the first is 1.</param>
/// <param name="Bytes">The line with its end of line; null if it is longer than <see cref="LineReader.MaxBytes"/>.</param>
internal readonly record struct FileLine(long Number, byte[]? Bytes);

/// <summary>
/// Reads a file line by line as bytes. Invalid UTF-8 in one line must not affect other lines, and an endless line must not fill
/// the memory.
/// </summary>
internal static class LineReader
{
    /// <summary>A user has at most 64 KiB; escapes and quotes can multiply that by six.</summary>
    public const int MaxBytes = 1024 * 1024;

    public static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    public static async IAsyncEnumerable<FileLine> ReadAsync(
        Stream stream, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var pipe = PipeReader.Create(stream, new(bufferSize: 64 * 1024, leaveOpen: true));
        var number = 1L;
        var isTooLong = false;
        while (true)
        {
            var read = await pipe.ReadAsync(cancellationToken);
            var buffer = read.Buffer;
            while (buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = buffer.Slice(0, buffer.GetPosition(1, end));
                yield return Line(number, line, isTooLong);
                buffer = buffer.Slice(line.End);
                number++;
                isTooLong = false;
            }
            if (read.IsCompleted)
            {
                if (!buffer.IsEmpty || isTooLong)
                    yield return Line(number, buffer, isTooLong);
                break;
            }
            if (buffer.Length > MaxBytes)
            {
                isTooLong = true;
                buffer = buffer.Slice(buffer.End);
            }
            pipe.AdvanceTo(buffer.Start, read.Buffer.End);
        }
        await pipe.CompleteAsync();
    }

    private static FileLine Line(long number, ReadOnlySequence<byte> line, bool isTooLong)
    {
        if (isTooLong || line.Length > MaxBytes)
            return new(number, null);
        var bytes = line.ToArray();
        return new(number, number == 1 && bytes.AsSpan().StartsWith(ByteOrderMark) ? bytes[ByteOrderMark.Length..] : bytes);
    }
}
