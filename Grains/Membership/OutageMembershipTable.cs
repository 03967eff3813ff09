using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.Membership;

/// <summary>
/// Lets silos leave while Redis is away. Orleans by itself would try for minutes to write that a silo has left, and the others
/// would go on calling it.
/// </summary>
/// <remarks>
/// <list type="bullet">
/// <item>A silo that stops and cannot write its status tells the other silos only. They write it into the table once Redis is back:
/// see <see cref="SelfHealingMembershipTable.RecordAsync"/>.</item>
/// <item>Reads are answered by the last table that was read, with what other silos have told since. If reads failed, Orleans would
/// drop what it is told while it reads.</item>
/// </list>
/// </remarks>
/// <param name="inner">The table in Redis.</param>
/// <param name="self">This silo.</param>
/// <param name="known">What Orleans knows of the members: from the table, and told by other silos.</param>
/// <param name="cluster">The time of the table.</param>
/// <param name="clock">The time.</param>
/// <param name="logger">The log.</param>
/// <param name="stopping">Cancelled when this silo starts to stop.</param>
internal sealed partial class OutageMembershipTable(
    IMembershipTable inner, SiloAddress self, Func<ClusterMembershipSnapshot> known, ClusterClock cluster, TimeProvider clock,
    ILogger<OutageMembershipTable> logger, CancellationToken stopping) : IMembershipTable
{
    private static readonly TimeSpan ReadAgainAfter = TimeSpan.FromMilliseconds(100);

    // The table as it was last read or, while this silo stops, written. Replaced as a whole by any thread; nobody changes an entry.
    private volatile MembershipTableData? _last;

    // True while the last one is of this silo alone, which stops and cannot write it.
    private volatile bool _isUnwritten;

    /// <summary>The version of the table that was last read as a whole; 0 if none was.</summary>
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

            // Whoever waits for a version that is not there reads again at once.
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
            // Another silo that leaves has told its version meanwhile: Orleans reads again, and goes on from there.
            if (last.Version.Version >= tableVersion.Version) return false;

            // Orleans tells the others next.
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

    /// <summary>The last table that was read, with what the other silos have told since; null if they know of a silo that it does not.</summary>
    private MembershipTableData? LastKnown()
    {
        if (_last is not { } last) return null;
        var told = known();
        if (_isUnwritten && last.Version.Version >= told.Version.Value) return last;

        // A silo that is not in it would take its absence for its death.
        var isWhole = told.Members.Values.All(member => member.Status.IsTerminating() || last.TryGet(member.SiloAddress) is not null);
        if (!isWhole) return null;
        var isStopping = stopping.IsCancellationRequested;
        var version = Math.Max((int)told.Version.Value, last.Version.Version) + (isStopping ? Offset : 0);
        var current = new MembershipTableData(
            [.. last.Members.Select(member => Tuple.Create(Current(member.Item1, told, isStopping), member.Item2))],
            new TableVersion(version, last.Version.VersionEtag));
        if (isStopping) (_last, _isUnwritten) = (current, true);
        return current;
    }

    private MembershipEntry Current(MembershipEntry entry, ClusterMembershipSnapshot told, bool isStopping)
    {
        var current = entry.Clone();
        if (told.Members.TryGetValue(entry.SiloAddress, out var member) && member.Status > entry.Status) current.Status = member.Status;

        // Nobody can give signs of life, and Orleans tells nothing to silos that seem to be silent.
        if (isStopping && !current.Status.IsTerminating()) current.IAmAliveTime = cluster.UtcNow.UtcDateTime;
        return current;
    }

    /// <summary>
    /// How far the versions of a silo that cannot write are ahead: another one for each, so that two silos that leave at once do
    /// not give the same version to different tables; and less than what makes a table count as lost.
    /// </summary>
    private int Offset => (int)((uint)self.GetConsistentHashCode() % (MembershipCopy.Leap / 4));

    private static MembershipTableData With(MembershipTableData table, MembershipEntry entry, TableVersion version) => new(
        [.. table.Members.Select(member => member.Item1.SiloAddress.Equals(entry.SiloAddress) ? Tuple.Create(entry, member.Item2) : member)], version);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The membership table could not be read; going on with what is known")]
    private static partial void LogReadFailed(ILogger logger, Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "This silo could not write its status {Status} into the membership table, and tells the other silos only: {Reason}")]
    private static partial void LogUnwritten(ILogger logger, SiloStatus status, string reason);
}
