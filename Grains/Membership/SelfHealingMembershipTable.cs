using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Membership;

/// <summary>
/// Orleans' membership table in Redis, able to survive the loss of Redis' data: it restores lost data before Orleans reads it.
/// Without it, silos with an emptied table could neither read it nor be found in it. The next silo to start would form a
/// second cluster.
/// </summary>
/// <remarks>
/// <list type="bullet">
/// <item>Before each operation, and once a second by <see cref="MembershipKeeper"/>, <see cref="MembershipRepair"/> checks the
/// table and restores what is missing.</item>
/// <item>Orleans never reads a table without this silo's row, because it would end the silo. A row that says that this silo is
/// dead is left alone: it is correct.</item>
/// <item>Silos that left while Redis was unavailable (<see cref="OutageMembershipTable"/>) are written into the table once it
/// is back: see <see cref="RecordAsync"/>.</item>
/// </list>
/// </remarks>
internal sealed class SelfHealingMembershipTable(
    IMembershipTable inner, RawMembershipTable raw, MembershipArrival arrival, StaleSuspicionFilter votes, SiloAddress self, TimeProvider clock,
    ILogger<SelfHealingMembershipTable> logger)
    : IMembershipTable, IDisposable
{
    private const int Tries = 4;

    private readonly MembershipRepair _repair = new(inner, raw, votes, self, clock, logger);

    // Interlocked; any thread.
    private long _signOfLife = clock.GetTimestamp();

    /// <inheritdoc cref="MembershipRepair.Repairs"/>
    public long Repairs => _repair.Repairs;

    /// <inheritdoc cref="MembershipRepair.Version"/>
    public MembershipVersion Version => new(_repair.Version);

    /// <summary>The time since this silo last gave a sign of life in the table.</summary>
    public TimeSpan SinceSignOfLife => clock.GetElapsedTime(Interlocked.Read(ref _signOfLife));

    /// <inheritdoc cref="MembershipRepair.CheckAsync"/>
    public Task CheckAsync(CancellationToken cancellationToken) => _repair.CheckAsync(cancellationToken);

    /// <summary>This silo's status in the table, with one small read. None while the table has lost the row.</summary>
    public async Task<SiloStatus> OwnStatusAsync(CancellationToken cancellationToken)
    {
        var (version, row) = await raw.LookAsync(self.ToString(), cancellationToken);
        return version >= _repair.Version ? MembershipCopy.StatusOf(row) : SiloStatus.None;
    }

    public async Task InitializeMembershipTableAsync(bool tryInitTableVersion, CancellationToken cancellationToken = default)
    {
        if (tryInitTableVersion) await arrival.WaitForLivingClusterAsync(cancellationToken);
        await arrival.RetryUntilReachableAsync(() => inner.InitializeMembershipTableAsync(tryInitTableVersion, cancellationToken), cancellationToken);
    }

    public async Task<MembershipTableData> ReadAllAsync(CancellationToken cancellationToken = default)
    {
        for (var attempt = 1; ; attempt++)
        {
            await CheckAsync(cancellationToken);
            var table = await inner.ReadAllAsync(cancellationToken);
            if (_repair.IsWhole(table))
            {
                await _repair.UpdateCopyAsync(table.Version.Version);
                return table;
            }

            // The table was lost since the check. Orleans retries failures, but ends the silo if the table lacks it.
            if (attempt == Tries) throw new TimeoutException("The membership table was lost again after each restore.");
        }
    }

    public async Task<MembershipTableData> ReadRowAsync(SiloAddress key, CancellationToken cancellationToken = default)
    {
        await CheckAsync(cancellationToken);
        return await inner.ReadRowAsync(key, cancellationToken);
    }

    public async Task<bool> InsertRowAsync(MembershipEntry entry, TableVersion tableVersion, CancellationToken cancellationToken = default)
    {
        await CheckAsync(cancellationToken);
        if (!await WriteAsync(inner.InsertRowAsync(entry, tableVersion, cancellationToken))) return false;
        await WrittenAsync(entry, tableVersion);
        return true;
    }

    public async Task<bool> UpdateRowAsync(
        MembershipEntry entry, string etag, TableVersion tableVersion, CancellationToken cancellationToken = default)
    {
        await CheckAsync(cancellationToken);
        if (!entry.SiloAddress.Equals(self) && await votes.IsRefutedAsync(entry.SiloAddress)) return false;
        if (!await WriteAsync(inner.UpdateRowAsync(entry, etag, tableVersion, cancellationToken))) return false;
        await WrittenAsync(entry, tableVersion);
        return true;
    }

    /// <inheritdoc cref="MembershipRepair.RecordAsync"/>
    public Task RecordAsync(MembershipVersion version, IEnumerable<ClusterMember> members, CancellationToken cancellationToken) =>
        _repair.RecordAsync(version, members, cancellationToken);

    public async Task UpdateIAmAliveAsync(MembershipEntry entry, CancellationToken cancellationToken = default)
    {
        await CheckAsync(cancellationToken);
        await WriteAsync(inner.UpdateIAmAliveAsync(entry, cancellationToken));
        Interlocked.Exchange(ref _signOfLife, clock.GetTimestamp());
    }

    public async Task CleanupDefunctSiloEntriesAsync(DateTimeOffset beforeDate, CancellationToken cancellationToken = default)
    {
        await CheckAsync(cancellationToken);
        await inner.CleanupDefunctSiloEntriesAsync(beforeDate, cancellationToken);
    }

    public Task DeleteMembershipTableEntriesAsync(string clusterId, CancellationToken cancellationToken = default) =>
        _repair.DeleteAsync(clusterId, cancellationToken);

    public void Dispose() => _repair.Dispose();

    Task IMembershipTable.InitializeMembershipTable(bool tryInitTableVersion) => InitializeMembershipTableAsync(tryInitTableVersion);

    Task IMembershipTable.DeleteMembershipTableEntries(string clusterId) => DeleteMembershipTableEntriesAsync(clusterId);

    Task IMembershipTable.CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => CleanupDefunctSiloEntriesAsync(beforeDate);

    Task<MembershipTableData> IMembershipTable.ReadRow(SiloAddress key) => ReadRowAsync(key);

    Task<MembershipTableData> IMembershipTable.ReadAll() => ReadAllAsync();

    Task<bool> IMembershipTable.InsertRow(MembershipEntry entry, TableVersion tableVersion) => InsertRowAsync(entry, tableVersion);

    Task<bool> IMembershipTable.UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) =>
        UpdateRowAsync(entry, etag, tableVersion);

    Task IMembershipTable.UpdateIAmAlive(MembershipEntry entry) => UpdateIAmAliveAsync(entry);

    private async Task<bool> WriteAsync(Task<bool> writing)
    {
        await WriteAsync((Task)writing);
        return await writing;
    }

    // Orleans retries failures. By then the connection leads to the new primary.
    private async Task WriteAsync(Task writing)
    {
        try
        {
            await writing;
        }
        catch (RedisServerException error)
        {
            raw.Suspect(error);
            throw;
        }
    }

    private async Task WrittenAsync(MembershipEntry entry, TableVersion version)
    {
        if (entry.SiloAddress.Equals(self))
        {
            _repair.Wrote(entry);
            Interlocked.Exchange(ref _signOfLife, clock.GetTimestamp());
        }

        await _repair.UpdateCopyAsync(version.Version);
    }
}
