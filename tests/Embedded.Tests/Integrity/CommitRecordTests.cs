using Actors.Embedded.Integrity;
using Actors.Fixtures;

namespace Actors.Embedded.Tests.Integrity;

public sealed class CommitRecordTests
{
    // A directory in its place acts like a read-only file, also for root.
    [Fact]
    public void Failure_to_write_the_record_does_not_fail_a_commit()
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
