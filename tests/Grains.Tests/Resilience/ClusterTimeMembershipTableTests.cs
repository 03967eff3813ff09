using System.Net;
using Actors.Membership;
using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

public sealed class ClusterTimeMembershipTableTests
{
    private static readonly SiloAddress Right = SiloAddress.New(IPAddress.Loopback, 11111, 1);
    private static readonly SiloAddress Wrong = SiloAddress.New(IPAddress.Loopback, 11112, 1);

    [Theory]
    [InlineData(11)]
    [InlineData(-11)]
    public async Task Silos_whose_clocks_differ_see_each_other_alive(int ahead)
    {
        var stored = new StoredTable();
        var (right, wrong) = (Table(stored, Right, 0), Table(stored, Wrong, ahead));
        var (rightNow, wrongNow) = (DateTime.UtcNow, DateTime.UtcNow + TimeSpan.FromMinutes(ahead));
        await right.InsertRowAsync(Entry(Right, rightNow), new TableVersion(1, "1"));
        await wrong.InsertRowAsync(Entry(Wrong, wrongNow), new TableVersion(2, "2"));

        foreach (var (table, now) in ((ClusterTimeMembershipTable, DateTime)[])[(right, rightNow), (wrong, wrongNow)])
        {
            foreach (var (entry, _) in (await table.ReadAllAsync()).Members)
            {
                Assert.InRange(entry.IAmAliveTime - now, -TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));
                Assert.InRange(entry.StartTime - now, -TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));
                Assert.InRange(Assert.Single(entry.SuspectTimes!).Item2 - now, -TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));
            }
        }
    }

    [Fact]
    public async Task Repeated_read_returns_the_same_time()
    {
        var stored = new StoredTable();
        var table = Table(stored, Right, 11);
        await table.InsertRowAsync(Entry(Right, DateTime.UtcNow), new TableVersion(1, "1"));
        var first = (await table.ReadAllAsync()).Members[0].Item1.IAmAliveTime;
        await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.Equal(first, (await table.ReadAllAsync()).Members[0].Item1.IAmAliveTime);
    }

    [Fact]
    public async Task Silo_restarted_with_a_corrected_clock_replaces_its_predecessor()
    {
        var stored = new StoredTable();
        var later = SiloAddress.New(Right.Endpoint.Address, Right.Endpoint.Port, Right.Generation + 660);
        await stored.InsertRow(Entry(later, DateTime.UtcNow), new TableVersion(1, "1"));
        await stored.InsertRow(Entry(Wrong, DateTime.UtcNow), new TableVersion(1, "1"));
        var table = Table(stored, Right, 0);

        var found = await table.ReadAllAsync();

        Assert.Equal(SiloStatus.Dead, found.Members.Single(member => member.Item1.SiloAddress.Equals(later)).Item1.Status);
        Assert.Equal(SiloStatus.Active, found.Members.Single(member => member.Item1.SiloAddress.Equals(Wrong)).Item1.Status);
    }

    [Fact]
    public async Task Silo_in_the_table_does_not_affect_its_successor()
    {
        var stored = new StoredTable();
        var table = Table(stored, Right, 0);
        await table.InsertRowAsync(Entry(Right, DateTime.UtcNow), new TableVersion(1, "1"));
        await stored.InsertRow(Entry(SiloAddress.New(Right.Endpoint.Address, Right.Endpoint.Port, Right.Generation + 1), DateTime.UtcNow), new TableVersion(1, "1"));

        Assert.All((await table.ReadAllAsync()).Members, member => Assert.Equal(SiloStatus.Active, member.Item1.Status));
    }

    private static MembershipEntry Entry(SiloAddress silo, DateTime now) => new()
    {
        SiloAddress = silo,
        Status = SiloStatus.Active,
        SiloName = "silo",
        HostName = "host",
        StartTime = now,
        IAmAliveTime = now,
        SuspectTimes = [Tuple.Create(silo, now)],
    };

    private static ClusterTimeMembershipTable Table(IMembershipTable stored, SiloAddress self, int ahead)
    {
        var time = new OffTime(TimeSpan.FromMinutes(ahead));
        var clock = new ClusterClock(time);
        clock.Observe(DateTimeOffset.UtcNow, time.GetTimestamp(), time.GetTimestamp());
        return new ClusterTimeMembershipTable(stored, self, clock);
    }

    private sealed class OffTime(TimeSpan ahead) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + ahead;
    }

    /// <summary>Keeps rows as written.</summary>
    private sealed class StoredTable : IMembershipTable
    {
        private readonly List<Tuple<MembershipEntry, string>> _rows = [];

        public Task InitializeMembershipTable(bool tryInitTableVersion) => Task.CompletedTask;

        public Task DeleteMembershipTableEntries(string clusterId) => Task.CompletedTask;

        public Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => Task.CompletedTask;

        public Task<MembershipTableData> ReadRow(SiloAddress key) => ReadAll();

        public Task<MembershipTableData> ReadAll() => Task.FromResult(new MembershipTableData([.. _rows], new TableVersion(1, "1")));

        public Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion)
        {
            _rows.Add(Tuple.Create(entry, "1"));
            return Task.FromResult(true);
        }

        public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion)
        {
            _rows[_rows.FindIndex(row => row.Item1.SiloAddress.Equals(entry.SiloAddress))] = Tuple.Create(entry, etag);
            return Task.FromResult(true);
        }

        public Task UpdateIAmAlive(MembershipEntry entry) => throw new NotSupportedException();
    }
}
