using System.Collections.Immutable;
using Actors.Contracts;
using Actors.Fixtures;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Grains.Tests.Resilience;

/// <summary>The membership table that Orleans reads and writes during a Redis outage.</summary>
[NeedsServers]
public sealed class OutageMembershipTableTests : IAsyncLifetime
{
    private const string Service = "outage";

    private readonly RedisServer _redis = new();
    private readonly CancellationTokenSource _stopping = new();
    private MembershipSilo _self = null!;
    private MembershipSilo _other = null!;
    private OutageMembershipTable _table = null!;
    private ClusterMembershipSnapshot _known = new(ImmutableDictionary<SiloAddress, ClusterMember>.Empty, new MembershipVersion(0));

    public async ValueTask InitializeAsync()
    {
        await _redis.StartAsync();
        _self = MembershipSilo.Create(_redis.ConnectionString, Service, 1000);
        _other = MembershipSilo.Create(_redis.ConnectionString, Service, 1001);
        await _self.JoinAsync();
        await _other.JoinAsync();
        _table = new(
            _self.Table, _self.Address, () => _known, new ClusterClock(TimeProvider.System), TimeProvider.System,
            NullLogger<OutageMembershipTable>.Instance, _stopping.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _self.DisposeAsync();
        await _other.DisposeAsync();
        await _redis.DisposeAsync();
        _stopping.Dispose();
    }

    // After a failed read, Orleans drops the changes that it received meanwhile.
    [Fact]
    public async Task Reads_merge_the_last_table_with_reports_of_other_silos()
    {
        var last = await _table.ReadAllAsync();
        await _redis.KillAsync();
        Assert.Equal(last.Version.Version, (await _table.ReadAllAsync()).Version.Version);

        Tell(last.Version.Version + 5, (_self, SiloStatus.Active), (_other, SiloStatus.Dead));
        var told = await _table.ReadAllAsync();
        Assert.Equal(last.Version.Version + 5, told.Version.Version);
        Assert.Equal((SiloStatus.Active, SiloStatus.Dead), (Status(told, _self), Status(told, _other)));
    }

    [Fact]
    public async Task Reads_fail_if_a_reported_silo_is_not_in_the_last_table()
    {
        await _table.ReadAllAsync();
        await _redis.KillAsync();
        await using var unknown = MembershipSilo.Create(_redis.ConnectionString, Service, 1002);
        Tell(50, (_self, SiloStatus.Active), (_other, SiloStatus.Active), (unknown, SiloStatus.Active));
        await Assert.ThrowsAnyAsync<Exception>(() => _table.ReadAllAsync());
    }

    [Fact]
    public async Task Only_a_stopping_silo_may_change_its_status()
    {
        await _table.ReadAllAsync();
        await _redis.KillAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => WriteAsync(_self, SiloStatus.ShuttingDown));

        await _stopping.CancelAsync();
        Assert.True(await WriteAsync(_self, SiloStatus.ShuttingDown));
        Assert.True(await WriteAsync(_self, SiloStatus.Dead));
        Assert.Equal(SiloStatus.Dead, Status(await _table.ReadAllAsync(), _self));
        await Assert.ThrowsAnyAsync<Exception>(() => WriteAsync(_other, SiloStatus.Dead));
    }

    [Fact]
    public async Task Two_stopping_silos_both_report_it()
    {
        var last = await _table.ReadAllAsync();
        await _redis.KillAsync();
        await _stopping.CancelAsync();
        var table = await _table.ReadAllAsync();
        Tell(table.Version.Version + 10, (_self, SiloStatus.Active), (_other, SiloStatus.Dead));
        Assert.False(await UpdateAsync(table, _self, SiloStatus.Dead));

        Assert.True(await WriteAsync(_self, SiloStatus.Dead));
        var both = await _table.ReadAllAsync();
        Assert.True(both.Version.Version > last.Version.Version + 10);
        Assert.Equal((SiloStatus.Dead, SiloStatus.Dead), (Status(both, _self), Status(both, _other)));
    }

    // Orleans sends no change to a silo whose last heartbeat is older than 15 s.
    [Fact]
    public async Task Stopping_silo_suspects_no_other_silo()
    {
        await _table.ReadAllAsync();
        await _redis.KillAsync();
        var killedAt = DateTime.UtcNow;
        Assert.True(Alive(await _table.ReadAllAsync(), _other) < killedAt);

        await _stopping.CancelAsync();
        Assert.True(Alive(await _table.ReadAllAsync(), _other) > killedAt);
    }

    [Fact]
    public async Task Table_in_Redis_is_used_again_once_Redis_is_back()
    {
        var last = await _table.ReadAllAsync();
        await _redis.KillAsync();
        await _stopping.CancelAsync();
        Assert.True(await WriteAsync(_self, SiloStatus.ShuttingDown));

        await _redis.StartAsync();
        await Eventually.IsTrueAsync(async () => (await _table.ReadAllAsync()).Version.Version == last.Version.Version);
        Assert.Equal(SiloStatus.Active, Status(await _table.ReadAllAsync(), _self));
        Assert.True(await WriteAsync(_self, SiloStatus.ShuttingDown));
        Assert.Equal(SiloStatus.ShuttingDown, (await _other.ReadAsync())[_self.Address]);
    }

    private static SiloStatus Status(MembershipTableData table, MembershipSilo silo) => table.TryGet(silo.Address)!.Item1.Status;

    private static DateTime Alive(MembershipTableData table, MembershipSilo silo) => table.TryGet(silo.Address)!.Item1.IAmAliveTime;

    private void Tell(int version, params (MembershipSilo Silo, SiloStatus Status)[] members) => _known = new(
        members.ToImmutableDictionary(member => member.Silo.Address, member => new ClusterMember(member.Silo.Address, member.Status, "")),
        new MembershipVersion(version));

    private async Task<bool> WriteAsync(MembershipSilo silo, SiloStatus status) => await UpdateAsync(await _table.ReadAllAsync(), silo, status);

    private Task<bool> UpdateAsync(MembershipTableData table, MembershipSilo silo, SiloStatus status)
    {
        var (entry, etag) = table.TryGet(silo.Address)!;
        var changed = entry.Clone();
        changed.Status = status;
        return _table.UpdateRowAsync(changed, etag, table.Version.Next());
    }
}
