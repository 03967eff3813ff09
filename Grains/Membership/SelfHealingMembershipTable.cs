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
/// <item>It keeps a copy of the table. Before each operation, and once a second by <see cref="MembershipKeeper"/>, one cheap
/// read checks that the table exists, is no older than the copy, and has this silo's row. If not, the copy is merged into it.
/// Several silos may do so at once, see <see cref="MembershipScripts"/>.</item>
/// <item>Orleans never reads a table without this
/// silo's row, because it would end the silo. A row that says that this silo is dead is left alone: it is correct.</item>
/// <item>Silos that left while Redis was unavailable (<see cref="OutageMembershipTable"/>) are written into the table once it
/// is back: see <see cref="RecordAsync"/>.</item>
/// </list>
/// </remarks>
internal sealed partial class SelfHealingMembershipTable(
    IMembershipTable inner, RawMembershipTable raw, MembershipArrival arrival, StaleSuspicionFilter votes, SiloAddress self, TimeProvider clock,
    ILogger<SelfHealingMembershipTable> logger)
    : IMembershipTable, IDisposable
{
    private const int Tries = 4;

    // The keeper checks once a second. After a longer gap the table was unavailable or this process was paused.
    private static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(3);

    private readonly string _selfField = self.ToString();

    // One check and repair at a time. Orleans and the keeper call from any thread.
    private readonly SemaphoreSlim _gate = new(1, 1);

    // Guarded by the gate: the copy, and the connection over which it was last compared with the table.
    private MembershipCopy? _copy;
    private long _comparedConnection;

    // The row of this silo that Orleans last wrote successfully. Replaced as a whole by each writer, never changed.
    private volatile MembershipEntry? _own;

    // When the table was last checked successfully. Guarded by the gate.
    private long _looked = clock.GetTimestamp();

    private long _repairs;
    private long _signOfLife = clock.GetTimestamp();
    private int _version;

    /// <summary>How often this silo restored something in the table.</summary>
    public long Repairs => Interlocked.Read(ref _repairs);

    /// <summary>The newest version of the table that this silo has seen.</summary>
    public MembershipVersion Version => new(Volatile.Read(ref _version));

    /// <summary>The time since this silo last gave a sign of life in the table.</summary>
    public TimeSpan SinceSignOfLife => clock.GetElapsedTime(Interlocked.Read(ref _signOfLife));

    /// <summary>Checks the table and restores what is missing.</summary>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (clock.GetElapsedTime(_looked) > LongestGap) votes.MayBeStale();
            await CheckLockedAsync(cancellationToken);
            _looked = clock.GetTimestamp();
        }
        catch (Exception error) when (error is RedisException or TimeoutException)
        {
            votes.MayBeStale();
            throw;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>This silo's status in the table, with one small read. None while the table has lost the row.</summary>
    public async Task<SiloStatus> OwnStatusAsync(CancellationToken cancellationToken)
    {
        var (version, row) = await raw.LookAsync(_selfField, cancellationToken);
        return version >= Volatile.Read(ref _version) ? MembershipCopy.StatusOf(row) : SiloStatus.None;
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
            if (IsWhole(table))
            {
                await UpdateCopyAsync(table.Version.Version);
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

    /// <summary>
    /// Writes into the table that silos have left, as they announced while Redis was unavailable. Does nothing if the table
    /// already has it.
    /// </summary>
    /// <param name="version">The version the table would have; the result goes beyond it.</param>
    /// <param name="members">The members as this silo knows them.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    public async Task RecordAsync(MembershipVersion version, IEnumerable<ClusterMember> members, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (await raw.ReadAsync(cancellationToken) is not { } table || table.Version >= version.Value) return;
            var announced = members.Where(member => member.Status.IsTerminating())
                .ToDictionary(member => (RedisValue)member.SiloAddress.ToString(), member => member.Status);
            var left = table.Rows.Where(row => announced.TryGetValue(row.Name, out var status) && MembershipCopy.StatusOf(row.Value) < status)
                .Select(row => new HashEntry(row.Name, MembershipCopy.WithStatus(row.Value, announced[row.Name]))).ToList();
            var (_, rows, merged) = await raw.MergeAsync(new((int)version.Value, left), cancellationToken);
            Keep(merged);
            LogRecorded(logger, rows);
        }
        finally
        {
            _gate.Release();
        }
    }

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

    public async Task DeleteMembershipTableEntriesAsync(string clusterId, CancellationToken cancellationToken = default)
    {
        // The table is removed on purpose, so nothing must be restored.
        await _gate.WaitAsync(cancellationToken);
        try
        {
            await inner.DeleteMembershipTableEntriesAsync(clusterId, cancellationToken);
            _copy = null;
            _own = null;
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => _gate.Dispose();

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

    private async Task CheckLockedAsync(CancellationToken cancellationToken)
    {
        // Read before the check, so that a connection made after it is checked next time.
        var connection = raw.Reconnects;
        var (version, row) = await raw.LookAsync(_selfField, cancellationToken);
        var isBehind = IsBehind(row);
        if (version == _copy?.Version && !isBehind && connection == _comparedConnection) return;
        var lost = isBehind ? _copy : await CopyAsync(cancellationToken);
        if (lost is not null || isBehind)
        {
            var wasRestored = lost is not null && await MergeAsync(version, lost, cancellationToken);
            var wasAdded = await PutSelfAsync(cancellationToken);
            if (wasRestored || wasAdded) Interlocked.Increment(ref _repairs);
        }

        _comparedConnection = connection;
    }

    /// <summary>
    /// Makes a new copy of the table if it continues the last copy. Otherwise makes none and returns what to merge into the
    /// table. Then Redis has lost the table, or a server was promoted before it had all changes and continues with its own
    /// history.
    /// </summary>
    private async Task<MembershipCopy?> CopyAsync(CancellationToken cancellationToken)
    {
        var table = await raw.ReadAsync(cancellationToken);
        if (_copy is { } copy)
        {
            if (copy.IsLostIn(table?.Version)) return copy;
            if (copy.LaterThan(table!) is { Count: > 0 } later) return copy with { Rows = later };

            // Two changes, one per history, got the same version. A silo that knows one would never look for the other.
            if (table!.Version == copy.Version && table.LaterThan(copy).Count > 0) return copy with { Version = copy.Version + 1 };
        }

        Keep(table);
        return null;
    }

    private async Task<bool> MergeAsync(int? version, MembershipCopy copy, CancellationToken cancellationToken)
    {
        var (wasLost, rows, merged) = await raw.MergeAsync(copy, cancellationToken);
        Keep(merged);
        if (wasLost)
            LogRestored(logger, version is { } old ? $"went back to version {old}" : "was gone", copy.Version, copy.Rows.Count, rows);
        else if (rows > 0)
            LogAdded(logger, rows);
        return wasLost || rows > 0;
    }

    /// <summary>Ensures that this silo is in the table as Orleans last wrote it. The copy may be older than that.</summary>
    private async Task<bool> PutSelfAsync(CancellationToken cancellationToken)
    {
        if (_own is not { } own) return false;
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            var table = await inner.ReadRowAsync(self, cancellationToken);
            var present = table.TryGet(self);
            if (present is not null && present.Item1.Status >= own.Status) return false;
            var isPut = present is null
                ? await inner.InsertRowAsync(own, table.Version.Next(), cancellationToken)
                : await inner.UpdateRowAsync(own, present.Item2, table.Version.Next(), cancellationToken);
            if (!isPut) continue;
            LogPutSelf(logger, self, own.Status);
            return true;
        }

        // The table works, because others write to it all the time. The next check tries again.
        throw new TimeoutException($"Silo {self} could not be put back into the membership table: others kept changing it.");
    }

    private bool IsBehind(RedisValue row) => _own is { } own && MembershipCopy.StatusOf(row) < own.Status;

    private bool IsWhole(MembershipTableData table) =>
        table.Version.Version >= Volatile.Read(ref _version)
        && (_own is not { } own || own.Status == SiloStatus.Dead || table.TryGet(self) is not null);

    private async Task WrittenAsync(MembershipEntry entry, TableVersion version)
    {
        if (entry.SiloAddress.Equals(self))
        {
            _own = entry;
            Interlocked.Exchange(ref _signOfLife, clock.GetTimestamp());
        }

        await UpdateCopyAsync(version.Version);
    }

    /// <summary>Updates the copy after a read or write, so that it survives a failure of Redis in the next moment.</summary>
    private async Task UpdateCopyAsync(int version)
    {
        if (version <= Volatile.Read(ref _version)) return;
        try
        {
            await CheckAsync(CancellationToken.None);
        }
        catch (Exception error) when (error is RedisException or TimeoutException or ObjectDisposedException)
        {
            // The requested operation is done. The next check updates the copy.
            LogCopyFailed(logger, version, error);
        }
    }

    private void Keep(MembershipCopy? copy)
    {
        if (copy is null) return;
        _copy = copy;
        Volatile.Write(ref _version, copy.Version);
    }

    [LoggerMessage(EventId = 1318, Level = LogLevel.Warning, Message =
        "Redis lost the membership table: it {Loss}. Restored it from this silo's copy of version {Version} with {Known} silos; " +
        "{Rows} of them were missing or out of date")]
    private static partial void LogRestored(ILogger logger, string loss, int version, int known, int rows);

    [LoggerMessage(EventId = 1319, Level = LogLevel.Warning, Message =
        "The membership table lacked {Rows} silos or had them with an earlier status; restored them from this silo's copy")]
    private static partial void LogAdded(ILogger logger, int rows);

    [LoggerMessage(EventId = 1320, Level = LogLevel.Warning, Message =
        "This silo, {Silo}, was missing from the membership table; restored it as {Status}")]
    private static partial void LogPutSelf(ILogger logger, SiloAddress silo, SiloStatus status);

    [LoggerMessage(EventId = 1321, Level = LogLevel.Information, Message =
        "Recorded in the membership table that {Rows} silos left while Redis was unavailable")]
    private static partial void LogRecorded(ILogger logger, int rows);

    [LoggerMessage(EventId = 1322, Level = LogLevel.Debug, Message = "Version {Version} of the membership table could not be copied yet")]
    private static partial void LogCopyFailed(ILogger logger, int version, Exception error);
}
