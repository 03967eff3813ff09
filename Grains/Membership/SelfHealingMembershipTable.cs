using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Membership;

/// <summary>
/// Orleans' membership table in Redis, made to last longer than Redis' data: what was lost is put back before Orleans looks.
/// Without it, silos whose table was emptied could neither read it nor be found in it, and the next one to start would
/// form a second cluster.
/// </summary>
/// <remarks>
/// <list type="bullet">
/// <item>A copy of the table is kept. Before each operation, and once a second by <see cref="MembershipKeeper"/>, one cheap
/// look says whether the table is there, no older than the copy, and has this silo's row; if not, the copy is merged into
/// it. Several silos may do so at once, see <see cref="MembershipScripts"/>.</item>
/// <item>Orleans never reads a table without this silo's row in it, for which it would end the silo. A row that says that
/// this silo is dead is left alone: Orleans is right then.</item>
/// <item>Which silos left while Redis was away (<see cref="OutageMembershipTable"/>) is written into the table once it is back: see
/// <see cref="RecordAsync"/>.</item>
/// </list>
/// </remarks>
internal sealed partial class SelfHealingMembershipTable(
    IMembershipTable inner, RawMembershipTable raw, MembershipArrival arrival, StaleSuspicionFilter votes, SiloAddress self, TimeProvider clock,
    ILogger<SelfHealingMembershipTable> logger)
    : IMembershipTable, IDisposable
{
    private const int Tries = 4;

    // The keeper looks once a second. After a longer gap the table was away, or this process did not run.
    private static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(3);

    private readonly string _selfField = self.ToString();

    // One look and repair at a time; Orleans and the keeper come from any thread.
    private readonly SemaphoreSlim _gate = new(1, 1);

    // Only under the gate. The copy, and over which connection it was last compared with the table.
    private MembershipCopy? _copy;
    private long _comparedOver;

    // The row of this silo that Orleans last wrote with success: replaced as a whole by whoever wrote it, never changed.
    private volatile MembershipEntry? _own;

    // When the table was last looked at with success. Only under the gate.
    private long _looked = clock.GetTimestamp();

    private long _repairs;
    private long _signOfLife = clock.GetTimestamp();
    private int _version;

    /// <summary>How often something was put back into the table by this silo.</summary>
    public long Repairs => Interlocked.Read(ref _repairs);

    /// <summary>The newest version of the table that this silo has seen.</summary>
    public MembershipVersion Version => new(Volatile.Read(ref _version));

    /// <summary>How long ago this silo last gave a sign of life in the table.</summary>
    public TimeSpan SinceSignOfLife => clock.GetElapsedTime(Interlocked.Read(ref _signOfLife));

    /// <summary>Looks whether the table is what it should be and puts back what is missing.</summary>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (clock.GetElapsedTime(_looked) > LongestGap) votes.MayBeStale();
            await CheckAloneAsync(cancellationToken);
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

    /// <summary>This silo's status by the table, in one small read; None while the table has lost it.</summary>
    public async Task<SiloStatus> OwnStatusAsync(CancellationToken cancellationToken)
    {
        var (version, row) = await raw.LookAsync(_selfField, cancellationToken);
        return version >= Volatile.Read(ref _version) ? MembershipCopy.StatusOf(row) : SiloStatus.None;
    }

    public async Task InitializeMembershipTableAsync(bool tryInitTableVersion, CancellationToken cancellationToken = default)
    {
        if (tryInitTableVersion) await arrival.WaitForLivingClusterAsync(cancellationToken);
        await arrival.PersistAsync(() => inner.InitializeMembershipTableAsync(tryInitTableVersion, cancellationToken), cancellationToken);
    }

    public async Task<MembershipTableData> ReadAllAsync(CancellationToken cancellationToken = default)
    {
        for (var attempt = 1; ; attempt++)
        {
            await CheckAsync(cancellationToken);
            var table = await inner.ReadAllAsync(cancellationToken);
            if (IsWhole(table))
            {
                await FollowAsync(table.Version.Version);
                return table;
            }

            // Lost since we looked. Orleans repeats what fails, but ends the silo over a table without it.
            if (attempt == Tries) throw new TimeoutException("The membership table is lost again each time it is restored.");
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
    /// Writes into the table which silos have left, as this silo was told by them while Redis was away. Does nothing if the table
    /// knows of it.
    /// </summary>
    /// <param name="version">The version that the table would have; it goes on beyond that.</param>
    /// <param name="members">The silos as this silo knows them.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    public async Task RecordAsync(MembershipVersion version, IEnumerable<ClusterMember> members, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (await raw.ReadAsync(cancellationToken) is not { } table || table.Version >= version.Value) return;
            var told = members.Where(member => member.Status.IsTerminating()).ToDictionary(member => (RedisValue)member.SiloAddress.ToString(), member => member.Status);
            var left = table.Rows.Where(row => told.TryGetValue(row.Name, out var status) && MembershipCopy.StatusOf(row.Value) < status)
                .Select(row => new HashEntry(row.Name, MembershipCopy.WithStatus(row.Value, told[row.Name]))).ToList();
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
        // Meant to be gone, so nothing is to be put back.
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

    // Orleans tries again what fails; it reaches the new primary by then.
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

    private async Task CheckAloneAsync(CancellationToken cancellationToken)
    {
        // Before the look: a connection made after it is looked at the next time.
        var connection = raw.Reconnects;
        var (version, row) = await raw.LookAsync(_selfField, cancellationToken);
        var isBehind = IsBehind(row);
        if (version == _copy?.Version && !isBehind && connection == _comparedOver) return;
        var lost = isBehind ? _copy : await CopyAsync(cancellationToken);
        if (lost is not null || isBehind)
        {
            var wasRestored = lost is not null && await MergeAsync(version, lost, cancellationToken);
            var wasAdded = await PutSelfAsync(cancellationToken);
            if (wasRestored || wasAdded) Interlocked.Increment(ref _repairs);
        }

        _comparedOver = connection;
    }

    /// <summary>
    /// Makes a new copy of the table. Where that is not the one that was copied last, nor what became of it, makes none, and
    /// returns what is to be put into it: Redis has lost the table, or a server was promoted before it had heard of everything
    /// and goes on with a history of its own.
    /// </summary>
    private async Task<MembershipCopy?> CopyAsync(CancellationToken cancellationToken)
    {
        var table = await raw.ReadAsync(cancellationToken);
        if (_copy is { } copy)
        {
            if (copy.IsLostIn(table?.Version)) return copy;
            if (copy.LaterThan(table!) is { Count: > 0 } later) return copy with { Rows = later };

            // Two changes, one in each history, were given the same version: who knows the one would never look for the other.
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

    /// <summary>Sees to it that this silo is in the table, as Orleans last wrote it: the copy may be older than that.</summary>
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

        // Others write to the table all the time, so it works; the next look tries again.
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

        await FollowAsync(version.Version);
    }

    /// <summary>Brings the copy up to what was just read or written, so that it is not lost if Redis fails in the next moment.</summary>
    private async Task FollowAsync(int version)
    {
        if (version <= Volatile.Read(ref _version)) return;
        try
        {
            await CheckAsync(CancellationToken.None);
        }
        catch (Exception error) when (error is RedisException or TimeoutException or ObjectDisposedException)
        {
            // What was asked for is done; the next look finds the rest.
            LogNotFollowed(logger, version, error);
        }
    }

    private void Keep(MembershipCopy? copy)
    {
        if (copy is null) return;
        _copy = copy;
        Volatile.Write(ref _version, copy.Version);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The membership table {What}: Redis has lost it. Restored it from this silo's copy of version {Version}, which has {Known} silos; {Rows} of them were missing in it or out of date")]
    private static partial void LogRestored(ILogger logger, string what, int version, int known, int rows);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "The membership table lacked {Rows} silos or knew them only by an earlier status: put them back from this silo's copy")]
    private static partial void LogAdded(ILogger logger, int rows);

    [LoggerMessage(Level = LogLevel.Warning, Message = "This silo, {Silo}, was missing in the membership table: put it back as {Status}")]
    private static partial void LogPutSelf(ILogger logger, SiloAddress silo, SiloStatus status);

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Wrote into the membership table that {Rows} silos have left, which they could not do while Redis was away")]
    private static partial void LogRecorded(ILogger logger, int rows);

    [LoggerMessage(Level = LogLevel.Debug, Message = "No copy could be made of version {Version} of the membership table yet")]
    private static partial void LogNotFollowed(ILogger logger, int version, Exception error);
}
