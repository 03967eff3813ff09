using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Actors.Embedded.Integrity;

/// <summary>
/// The checksums of one file, in a separate file. Each sector has two: one of its content, and one of the content being
/// written. After a crash a sector must match one of them. So acknowledged data is known to be there, and an interrupted write
/// is not damage.
/// </summary>
internal sealed class SectorSums : IDisposable
{
    /// <summary>Every write is a multiple of this size.</summary>
    public const int Sector = 512;

    private const uint Magic = 0x314D5553; // "SUM1"
    private const int HeaderLength = 8;
    private const int EntryLength = 2 * sizeof(uint);
    private const int RemovedAt = 4;
    private const int ReadSize = 1 << 20;

    private readonly SafeFileHandle _file;

    // Guards _sums and the order of writes to the file. Held for one small write to the page cache.
    private readonly Lock _gate = new();

    // Two values per sector: the checksum of its content (0: never written) and of the content being written (0: none).
    private uint[] _sums;

    private SectorSums(SafeFileHandle file, uint[] sums) => (_file, _sums) = (file, sums);

    /// <summary>Opens the checksums in <paramref name="path"/>; creates the file if it does not exist.</summary>
    public static SectorSums Open(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            if (RandomAccess.GetLength(file) < HeaderLength) WriteHeader(file, isRemoved: false);
            return new SectorSums(file, Read(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Records the data that is about to be written at <paramref name="offset"/>.</summary>
    public void Begin(long offset, ReadOnlySpan<byte> data)
    {
        if (offset % Sector != 0 || data.Length % Sector != 0)
            throw new InvalidOperationException($"A write of {data.Length} bytes at {offset} is not a multiple of a sector of {Sector} bytes.");
        var (first, count) = ((int)(offset / Sector), data.Length / Sector);
        lock (_gate)
        {
            var wanted = 2 * (first + count);
            if (_sums.Length < wanted) Array.Resize(ref _sums, Math.Max(wanted, 2 * _sums.Length));
            for (var i = 0; i < count; i++) _sums[(2 * (first + i)) + 1] = SumOf(data.Slice(i * Sector, Sector));
            Store(first, count);
        }
    }

    /// <summary>Records that the data was written.</summary>
    public void End(long offset, ReadOnlySpan<byte> data)
    {
        var (first, count) = ((int)(offset / Sector), data.Length / Sector);
        lock (_gate)
        {
            for (var i = 0; i < count; i++)
            {
                ref var held = ref _sums[2 * (first + i)];
                ref var coming = ref _sums[(2 * (first + i)) + 1];
                held = SumOf(data.Slice(i * Sector, Sector));
                if (coming == held) coming = 0;
            }

            Store(first, count);
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Marks the file of these checksums as deliberately deleted.</summary>
    public static void MarkRemoved(string path)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        WriteHeader(file, isRemoved: true);
    }

    /// <summary>True if a deliberate deletion of the file had begun.</summary>
    /// <exception cref="DamagedFileException">The checksums cannot be read.</exception>
    public static bool IsRemoved(string path)
    {
        using var file = File.OpenHandle(path);
        Span<byte> header = stackalloc byte[HeaderLength];
        return RandomAccess.Read(file, header, 0) == HeaderLength && BinaryPrimitives.ReadUInt32LittleEndian(header) == Magic
            ? header[RemovedAt] == 1
            : throw new DamagedFileException(path, "holds no checksums");
    }

    /// <summary>Compares a file with its checksums.</summary>
    /// <exception cref="DamagedFileException">The file does not contain what was written.</exception>
    public static void Verify(string sumsPath, string dataPath)
    {
        uint[] sums;
        // Opened for writing too, so that a missing right shows now and not with the first write.
        using (var file = File.OpenHandle(sumsPath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite)) sums = Read(file);
        if (File.Exists(dataPath) && new FileInfo(dataPath).Length > (long)(sums.Length / 2) * Sector)
            throw new DamagedFileException(sumsPath, $"is cut off, so {dataPath} cannot be checked");
        var written = sums.Length / 2;
        while (written > 0 && sums[2 * (written - 1)] == 0) written--;
        if (written == 0) return;
        if (!File.Exists(dataPath)) throw new DamagedFileException(dataPath, "is missing");

        using var data = File.OpenHandle(dataPath, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, FileOptions.SequentialScan);
        var length = RandomAccess.GetLength(data);
        if (length < (long)written * Sector)
            throw new DamagedFileException(dataPath, FormattableString.Invariant($"is cut off: it has {length} bytes of {(long)written * Sector}"));
        var buffer = new byte[ReadSize];
        for (var position = 0L; position < (long)written * Sector; position += ReadSize)
        {
            var bytes = (int)Math.Min(ReadSize, ((long)written * Sector) - position);
            for (var read = 0; read < bytes;)
            {
                var more = RandomAccess.Read(data, buffer.AsSpan(read, bytes - read), position + read);
                if (more == 0) throw new DamagedFileException(dataPath, FormattableString.Invariant($"is cut off at byte {position + read}"));
                read += more;
            }

            for (var at = 0; at < bytes; at += Sector)
            {
                var index = 2 * (int)((position + at) / Sector);
                if (sums[index] == 0) continue;
                var sum = SumOf(buffer.AsSpan(at, Sector));
                if (sum != sums[index] && sum != sums[index + 1])
                    throw new DamagedFileException(dataPath, FormattableString.Invariant(
                        $"is damaged: bytes {position + at} to {position + at + Sector - 1} are not what was written"));
            }
        }
    }

    /// <summary>Adds checksums for the current content of a file that has none yet.</summary>
    public static void Adopt(string sumsPath, string dataPath)
    {
        using var sums = Open(sumsPath);
        using var data = File.OpenHandle(dataPath);
        var buffer = new byte[ReadSize];
        for (var position = 0L; ;)
        {
            var read = RandomAccess.Read(data, buffer, position) / Sector * Sector;
            if (read == 0) return;
            sums.Begin(position, buffer.AsSpan(0, read));
            sums.End(position, buffer.AsSpan(0, read));
            position += read;
        }
    }

    private void Store(int first, int count)
    {
        // Entries are little-endian, like the machines that .NET runs on.
        var entries = MemoryMarshal.AsBytes(_sums.AsSpan(2 * first, 2 * count));
        RandomAccess.Write(_file, entries, HeaderLength + ((long)first * EntryLength));
    }

    private static uint[] Read(SafeFileHandle file)
    {
        var entries = (int)(Math.Max(0, RandomAccess.GetLength(file) - HeaderLength) / EntryLength);
        var sums = new uint[2 * entries];
        var bytes = MemoryMarshal.AsBytes(sums.AsSpan());
        for (var read = 0; read < bytes.Length;)
        {
            var more = RandomAccess.Read(file, bytes[read..], HeaderLength + read);
            if (more == 0) break;
            read += more;
        }

        return sums;
    }

    private static void WriteHeader(SafeFileHandle file, bool isRemoved)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        header[RemovedAt] = isRemoved ? (byte)1 : (byte)0;
        RandomAccess.Write(file, header, 0);
    }

    // 0 means no checksum.
    private static uint SumOf(ReadOnlySpan<byte> sector) => Math.Max(1, (uint)XxHash3.HashToUInt64(sector));
}
