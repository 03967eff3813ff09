using System.Runtime.InteropServices;
using Tsavorite.core;

namespace Actors.Embedded.Integrity;

/// <summary>
/// A Garnet device that keeps checksums of everything written to it. Garnet has none for its log records. It accepts a log that
/// ends early, or a missing file, as complete.
/// </summary>
/// <param name="inner">The device that reads and writes.</param>
/// <param name="directory">The directory of its files.</param>
internal sealed class SummedDevice(IDevice inner, SummedDirectory directory)
    : StorageDeviceBase(Path.GetFullPath(inner.FileName), inner.SectorSize, inner.Capacity)
{
    // The alignment that direct I/O may require.
    private const nuint Alignment = 4096;

    // Guards _sums, the checksums of each segment written to. Held while a checksum file is opened.
    private readonly Lock _gate = new();
    private readonly Dictionary<int, SectorSums> _sums = [];

    public override void Initialize(long segmentSize, LightEpoch? epoch = null, bool omitSegmentIdFromFilename = false)
    {
        base.Initialize(segmentSize, epoch, omitSegmentIdFromFilename);
        inner.Initialize(segmentSize, epoch, omitSegmentIdFromFilename);
    }

    public override bool Throttle() => inner.Throttle();

    public override bool TryComplete() => inner.TryComplete();

    public override long GetFileSize(int segment) => inner.GetFileSize(segment);

    public override void ReadAsync(
        int segmentId, ulong sourceAddress, IntPtr destinationAddress, uint readLength, DeviceIOCompletionCallback callback, object context) =>
        inner.ReadAsync(segmentId, sourceAddress, destinationAddress, readLength, callback, context);

    public override unsafe void WriteAsync(
        IntPtr sourceAddress, int segmentId, ulong destinationAddress, uint numBytesToWrite, DeviceIOCompletionCallback callback, object context)
    {
        // Uses a copy, because others append to the same page behind the part being written.
        var copy = (IntPtr)NativeMemory.AlignedAlloc(numBytesToWrite, Alignment);
        SectorSums sums;
        try
        {
            NativeMemory.Copy((void*)sourceAddress, (void*)copy, numBytesToWrite);
            sums = SumsOf(segmentId);
            sums.Begin((long)destinationAddress, Bytes());
        }
        catch (Exception error)
        {
            NativeMemory.AlignedFree((void*)copy);
            callback(CodeOf(error), 0, context, error);
            return;
        }

        inner.WriteAsync(copy, segmentId, destinationAddress, numBytesToWrite, Complete, context);

        ReadOnlySpan<byte> Bytes() => new((void*)copy, (int)numBytesToWrite);

        void Complete(uint errorCode, uint numBytes, object state, Exception ioException)
        {
            try
            {
                if (errorCode == 0) sums.End((long)destinationAddress, Bytes());
            }
            catch (Exception error)
            {
                // Data without a checksum does not count as written.
                (errorCode, numBytes, ioException) = (CodeOf(error), 0, error);
            }
            finally
            {
                NativeMemory.AlignedFree((void*)copy);
            }

            callback(errorCode, numBytes, state, ioException);
        }
    }

    public override void RemoveSegment(int segment)
    {
        lock (_gate)
        {
            if (_sums.Remove(segment, out var sums)) sums.Dispose();
        }

        directory.Remove(GetSegmentFilename(FileName, segment), () => inner.RemoveSegment(segment));
    }

    public override void RemoveSegmentAsync(int segment, AsyncCallback callback, IAsyncResult result)
    {
        RemoveSegment(segment);
        callback(result);
    }

    public override void Reset()
    {
        inner.Reset();
        CloseSums();
    }

    public override void Dispose()
    {
        inner.Dispose();
        CloseSums();
    }

    private SectorSums SumsOf(int segment)
    {
        lock (_gate)
        {
            if (!_sums.TryGetValue(segment, out var sums))
                _sums[segment] = sums = SectorSums.Open(directory.SumsOf(GetSegmentFilename(FileName, segment)));
            return sums;
        }
    }

    private void CloseSums()
    {
        lock (_gate)
        {
            foreach (var sums in _sums.Values) sums.Dispose();
            _sums.Clear();
        }
    }

    private static uint CodeOf(Exception error) => Math.Max(1, (uint)error.HResult & 0xFFFF);
}
