using Actors.Embedded.Integrity;
using Actors.Fixtures;

namespace Actors.Embedded.Tests.Integrity;

public sealed class SectorSumsTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new("sums");

    private string Sums => _directory.File("data.sums");

    private string Data => _directory.File("data");

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Torn_unacknowledged_write_is_not_damage(int sectorsWritten)
    {
        Write(0, Sectors(3, 1));
        var next = Sectors(2, 2);
        using (var sums = SectorSums.Open(Sums)) sums.Begin(2 * SectorSums.Sector, next);
        WriteData(2 * SectorSums.Sector, next.AsSpan(0, sectorsWritten * SectorSums.Sector));

        SectorSums.Verify(Sums, Data);
    }

    [Fact]
    public void Missing_acknowledged_write_is_damage()
    {
        Write(0, Sectors(3, 1));
        var before = File.ReadAllBytes(Data);
        Write(2 * SectorSums.Sector, Sectors(1, 2));
        File.WriteAllBytes(Data, before);

        Assert.Throws<DamagedFileException>(() => SectorSums.Verify(Sums, Data));
    }

    [Fact]
    public void Later_of_two_overlapping_writes_is_expected()
    {
        var (first, second) = (Sectors(1, 1), Sectors(1, 2));
        using (var sums = SectorSums.Open(Sums))
        {
            sums.Begin(0, first);
            sums.Begin(0, second);
            sums.End(0, first);
        }

        WriteData(0, second);
        SectorSums.Verify(Sums, Data);
    }

    private static byte[] Sectors(int count, byte seed)
    {
        var bytes = new byte[count * SectorSums.Sector];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private void Write(long offset, byte[] data)
    {
        using var sums = SectorSums.Open(Sums);
        sums.Begin(offset, data);
        WriteData(offset, data);
        sums.End(offset, data);
    }

    private void WriteData(long offset, ReadOnlySpan<byte> data)
    {
        using var file = File.OpenHandle(Data, FileMode.OpenOrCreate, FileAccess.Write);
        RandomAccess.Write(file, data, offset);
    }
}
