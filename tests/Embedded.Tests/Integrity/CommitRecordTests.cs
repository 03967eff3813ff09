using Actors.Embedded.Integrity;
using Actors.Fixtures;

namespace Actors.Embedded.Tests.Integrity;

public sealed class CommitRecordTests
{
    // A directory in its place: as a file that one may not write, but for root as well.
    [Fact]
    public void A_record_that_can_not_be_written_fails_no_commit()
    {
        using var directory = new TemporaryDirectory("commits");
        var record = new CommitRecord(directory.File("data.db"));
        Directory.CreateDirectory(record.Path);

        record.Write(new string('a', 32), 1);

        Directory.Delete(record.Path);
        record.Write(new string('a', 32), 2);
        Assert.Equal((new string('a', 32), 2), record.TryRead());
    }
}
