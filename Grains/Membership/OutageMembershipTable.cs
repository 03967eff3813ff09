using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.Membership;

/// <summary>
/// Lets silos leave while Redis is unavailable. Orleans by itself would try for minutes to write that a silo has left, and the
/// others would keep calling it.
/// </summary>
/// <remarks>
/// <list type="bullet">
/// <item>A silo that stops and cannot write its status tells only the other silos. They write it into the table once Redis is
/// back: see <see cref="SelfHealingMembershipTable.RecordAsync"/>.</item>
/// <item>Reads return the last table that was read, plus
/// announcements of other silos since then. If reads failed, Orleans would drop announcements that arrive while it
/// reads.</item>
/// </list>
/// </remarks>
/// <param name="inner">The table in Redis.</param>
/// <param name="self">This silo.</param>
/// <param name="known">What Orleans knows of the members, from the table and from other silos.</param>
/// <param name="cluster">The clock of the times in the table.</param>
/// <param name="clock">The clock.</param>
/// <param name="logger">The log.</param>
/// <param name="stopping">Cancelled when this silo begins to stop.</param>
internal sealed partial class OutageMembershipTable(
    IMembershipTable inner, SiloAddress self, Func<ClusterMembershipSnapshot> known, ClusterClock cluster, TimeProvider clock,
    ILogger<OutageMembershipTable> logger, CancellationToken stopping) : IMembershipTable
{
    private static readonly TimeSpan ReadAgainAfter = TimeSpan.FromMilliseconds(100);

    // The table as last read or, while this silo stops, as last written. Replaced as a whole by any thread; entries never
    // change.
    private volatile MembershipTableData? _last;

    // True while the last table exists only in this stopping silo, which cannot write it.
    private volatile bool _isUnwritten;

    /// <summary>The version of the table that was last read completely; 0 if none was.</summary>
    public MembershipVersion LastRead => new(_last?.Version.Version ?? 0);

    public async Task<MembershipTableData> ReadAllAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            var table = await inner.ReadAllAsync(cancellationToken);
            _isUnwritten = false;
            return _last = table;
        }
        catch (Exception error) when (error is not OperationCanceledException && LastKnown() is { } last)
        {
            LogReadFailed(logger, error);

            // A caller that waits for a newer version would otherwise read again at once.
            await Task.Delay(ReadAgainAfter, clock, CancellationToken.None);
            return last;
        }
    }

    public async Task<bool> UpdateRowAsync(
        MembershipEntry entry, string etag, TableVersion tableVersion, CancellationToken cancellationToken = default)
    {
        try
        {
            return await inner.UpdateRowAsync(entry, etag, tableVersion, cancellationToken);
        }
        catch (Exception error) when (error is not OperationCanceledException
            && stopping.IsCancellationRequested && entry.SiloAddress.Equals(self) && entry.Status.IsTerminating() && LastKnown() is { } last)
        {
            // Another leaving silo has announced this version meanwhile. Orleans reads again and continues from there.
            if (last.Version.Version >= tableVersion.Version) return false;

            // Orleans announces the change to the others next.
            _last = With(last, entry, tableVersion);
            LogUnwritten(logger, entry.Status, RedisFailures.Reason(error));
            return true;
        }
    }

    public Task InitializeMembershipTableAsync(bool tryInitTableVersion, CancellationToken cancellationToken = default) =>
        inner.InitializeMembershipTableAsync(tryInitTableVersion, cancellationToken);

    public Task DeleteMembershipTableEntriesAsync(string clusterId, CancellationToken cancellationToken = default) =>
        inner.DeleteMembershipTableEntriesAsync(clusterId, cancellationToken);

    public Task CleanupDefunctSiloEntriesAsync(DateTimeOffset beforeDate, CancellationToken cancellationToken = default) =>
        inner.CleanupDefunctSiloEntriesAsync(beforeDate, cancellationToken);

    public Task<MembershipTableData> ReadRowAsync(SiloAddress key, CancellationToken cancellationToken = default) =>
        inner.ReadRowAsync(key, cancellationToken);

    public Task<bool> InsertRowAsync(MembershipEntry entry, TableVersion tableVersion, CancellationToken cancellationToken = default) =>
        inner.InsertRowAsync(entry, tableVersion, cancellationToken);

    public Task UpdateIAmAliveAsync(MembershipEntry entry, CancellationToken cancellationToken = default) =>
        inner.UpdateIAmAliveAsync(entry, cancellationToken);

    Task IMembershipTable.InitializeMembershipTable(bool tryInitTableVersion) => InitializeMembershipTableAsync(tryInitTableVersion);

    Task IMembershipTable.DeleteMembershipTableEntries(string clusterId) => DeleteMembershipTableEntriesAsync(clusterId);

    Task IMembershipTable.CleanupDefunctSiloEntries(DateTimeOffset beforeDate) => CleanupDefunctSiloEntriesAsync(beforeDate);

    Task<MembershipTableData> IMembershipTable.ReadRow(SiloAddress key) => ReadRowAsync(key);

    Task<MembershipTableData> IMembershipTable.ReadAll() => ReadAllAsync();

    Task<bool> IMembershipTable.InsertRow(MembershipEntry entry, TableVersion tableVersion) => InsertRowAsync(entry, tableVersion);

    Task<bool> IMembershipTable.UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) =>
        UpdateRowAsync(entry, etag, tableVersion);

    Task IMembershipTable.UpdateIAmAlive(MembershipEntry entry) => UpdateIAmAliveAsync(entry);

    /// <summary>
    /// The last table that was read, plus later announcements of other silos; null if they know of a silo it does not contain.
    /// </summary>
    private MembershipTableData? LastKnown()
    {
        if (_last is not { } last) return null;
        var announced = known();
        if (_isUnwritten && last.Version.Version >= announced.Version.Value) return last;

        // A silo missing from the table would take its absence for its death.
        var isWhole = announced.Members.Values.All(member => member.Status.IsTerminating() || last.TryGet(member.SiloAddress) is not null);
        if (!isWhole) return null;
        var isStopping = stopping.IsCancellationRequested;
        var version = Math.Max((int)announced.Version.Value, last.Version.Version) + (isStopping ? Offset : 0);
        var current = new MembershipTableData(
            [.. last.Members.Select(member => Tuple.Create(Current(member.Item1, announced, isStopping), member.Item2))],
            new TableVersion(version, last.Version.VersionEtag));
        if (isStopping) (_last, _isUnwritten) = (current, true);
        return current;
    }

    private MembershipEntry Current(MembershipEntry entry, ClusterMembershipSnapshot announced, bool isStopping)
    {
        var current = entry.Clone();
        if (announced.Members.TryGetValue(entry.SiloAddress, out var member) && member.Status > entry.Status) current.Status = member.Status;

        // No silo can give signs of life, and Orleans announces nothing to silos that seem silent.
        if (isStopping && !current.Status.IsTerminating()) current.IAmAliveTime = cluster.UtcNow.UtcDateTime;
        return current;
    }

    /// <summary>
    /// How far the versions of a silo that cannot write are ahead. Each silo has a different offset, so two silos that leave
    /// together do not give the same version to different tables. It is smaller than the gap that marks a lost table.
    /// </summary>
    private int Offset => (int)((uint)self.GetConsistentHashCode() % (MembershipCopy.Leap / 4));

    private static MembershipTableData With(MembershipTableData table, MembershipEntry entry, TableVersion version) => new(
        [.. table.Members.Select(member => member.Item1.SiloAddress.Equals(entry.SiloAddress) ? Tuple.Create(entry, member.Item2) : member)],
        version);

    [LoggerMessage(EventId = 1316, Level = LogLevel.Debug, Message = "The membership table could not be read; continuing with the last known state")]
    private static partial void LogReadFailed(ILogger logger, Exception error);

    [LoggerMessage(EventId = 1317, Level = LogLevel.Warning, Message =
        "This silo could not write its status {Status} into the membership table and tells only the other silos: {Reason}")]
    private static partial void LogUnwritten(ILogger logger, SiloStatus status, string reason);
}
