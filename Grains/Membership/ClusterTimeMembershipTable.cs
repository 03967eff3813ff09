using Actors.Redis;

namespace Actors.Membership;

/// <summary>
/// Keeps the times in the membership table in the time that all silos agree on. Orleans writes and compares them with its
/// machine's clock, so a silo whose clock is ahead takes others for silent, and they cannot join. This table translates all
/// times to the clock of the reading silo. A silo's generation is a time too. A silo would end itself at its start if the table
/// had a later generation of its address, from before its clock was corrected. So that entry is declared dead first.
/// </summary>
/// <param name="inner">The table.</param>
/// <param name="self">This silo.</param>
/// <param name="clock">The time that all silos agree on.</param>
internal sealed class ClusterTimeMembershipTable(IMembershipTable inner, SiloAddress self, ClusterClock clock) : IMembershipTable
{
    private const int Tries = 4;

    // Once this silo is in the table, a later generation of its address is its successor. Set once, by any thread.
    private volatile bool _isInTable;

    public Task InitializeMembershipTableAsync(bool tryInitTableVersion, CancellationToken cancellationToken = default) =>
        inner.InitializeMembershipTableAsync(tryInitTableVersion, cancellationToken);

    public Task DeleteMembershipTableEntriesAsync(string clusterId, CancellationToken cancellationToken = default) =>
        inner.DeleteMembershipTableEntriesAsync(clusterId, cancellationToken);

    public Task CleanupDefunctSiloEntriesAsync(DateTimeOffset beforeDate, CancellationToken cancellationToken = default) =>
        inner.CleanupDefunctSiloEntriesAsync(beforeDate - clock.Translation, cancellationToken);

    public async Task<MembershipTableData> ReadRowAsync(SiloAddress key, CancellationToken cancellationToken = default) =>
        ToOwn(await inner.ReadRowAsync(key, cancellationToken));

    public async Task<MembershipTableData> ReadAllAsync(CancellationToken cancellationToken = default) =>
        ToOwn(_isInTable ? await inner.ReadAllAsync(cancellationToken) : await ReadWithoutPredecessorAsync(cancellationToken));

    public async Task<bool> InsertRowAsync(MembershipEntry entry, TableVersion tableVersion, CancellationToken cancellationToken = default)
    {
        var isInserted = await inner.InsertRowAsync(Shifted(entry, -clock.Translation), tableVersion, cancellationToken);
        if (isInserted && entry.SiloAddress.Equals(self)) _isInTable = true;
        return isInserted;
    }

    public Task<bool> UpdateRowAsync(
        MembershipEntry entry, string etag, TableVersion tableVersion, CancellationToken cancellationToken = default) =>
        inner.UpdateRowAsync(Shifted(entry, -clock.Translation), etag, tableVersion, cancellationToken);

    public Task UpdateIAmAliveAsync(MembershipEntry entry, CancellationToken cancellationToken = default) =>
        inner.UpdateIAmAliveAsync(Shifted(entry, -clock.Translation), cancellationToken);

    Task IMembershipTable.InitializeMembershipTable(bool tryInitTableVersion) => InitializeMembershipTableAsync(tryInitTableVersion);

    Task IMembershipTable.DeleteMembershipTableEntries(string clusterId) => DeleteMembershipTableEntriesAsync(clusterId);

    Task IMembershipTable.CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => CleanupDefunctSiloEntriesAsync(beforeDate);

    Task<MembershipTableData> IMembershipTable.ReadRow(SiloAddress key) => ReadRowAsync(key);

    Task<MembershipTableData> IMembershipTable.ReadAll() => ReadAllAsync();

    Task<bool> IMembershipTable.InsertRow(MembershipEntry entry, TableVersion tableVersion) => InsertRowAsync(entry, tableVersion);

    Task<bool> IMembershipTable.UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) =>
        UpdateRowAsync(entry, etag, tableVersion);

    Task IMembershipTable.UpdateIAmAlive(MembershipEntry entry) => UpdateIAmAliveAsync(entry);

    // This process owns the address, so the process that had it before is gone.
    private async Task<MembershipTableData> ReadWithoutPredecessorAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var table = await inner.ReadAllAsync(cancellationToken);
            var later = table.Members.FirstOrDefault(member => member.Item1.Status != SiloStatus.Dead
                && member.Item1.SiloAddress.Endpoint.Equals(self.Endpoint) && member.Item1.SiloAddress.Generation > self.Generation);
            if (later is null || attempt == Tries) return table;
            var dead = later.Item1.Clone();
            dead.Status = SiloStatus.Dead;
            await inner.UpdateRowAsync(dead, later.Item2, table.Version.Next(), cancellationToken);
        }
    }

    private MembershipTableData ToOwn(MembershipTableData table)
    {
        var translation = clock.Translation;
        return translation == TimeSpan.Zero
            ? table
            : new MembershipTableData(
                [.. table.Members.Select(member => Tuple.Create(Shifted(member.Item1, translation), member.Item2))], table.Version);
    }

    private static MembershipEntry Shifted(MembershipEntry entry, TimeSpan by)
    {
        if (by == TimeSpan.Zero) return entry;
        var shifted = entry.Clone();
        shifted.SuspectTimes = entry.SuspectTimes?.ConvertAll(vote => Tuple.Create(vote.Item1, Shifted(vote.Item2, by)));
        shifted.StartTime = Shifted(entry.StartTime, by);
        shifted.IAmAliveTime = Shifted(entry.IAmAliveTime, by);
        return shifted;
    }

    // Unset times and the maximum stay unchanged.
    private static DateTime Shifted(DateTime time, TimeSpan by) =>
        time.Ticks > TimeSpan.TicksPerDay * 366 && DateTime.MaxValue - time > by.Duration() ? time + by : time;
}
