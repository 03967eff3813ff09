using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Actors.Membership;

/// <summary>
/// Keeps a copy of the membership table, and merges the copy into the table if Redis has lost data. One cheap read shows whether
/// the table exists, is no older than the copy, and has this silo's row. Several silos may repair the table at once, see
/// <see cref="MembershipScripts"/>.
/// </summary>
internal sealed partial class MembershipRepair(
    IMembershipTable inner, RawMembershipTable raw, StaleSuspicionFilter votes, SiloAddress self, TimeProvider clock, ILogger logger) : IDisposable
{
    private const int Tries = 4;

    // The keeper checks once a second. After a longer gap the table was unavailable or this process was paused.
    private static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(3);

    private readonly string _selfField = self.ToString();

    // One check and repair at a time. Orleans and the keeper call from any thread.
    private readonly SemaphoreSlim _gate = new(1, 1);

    // Guarded by the gate: the copy, the connection over which it was last compared with the table, and when the table was last
    // checked successfully.
    private MembershipCopy? _copy;
    private long _comparedConnection;
    private long _looked = clock.GetTimestamp();

    // The row of this silo that Orleans last wrote successfully. Replaced as a whole by each writer, never changed.
    private volatile MembershipEntry? _own;

    // Written under the gate, read by any thread.
    private long _repairs;
    private int _version;

    /// <summary>How often this silo restored something in the table.</summary>
    public long Repairs => Interlocked.Read(ref _repairs);

    /// <summary>The newest version of the table that this silo has seen.</summary>
    public int Version => Volatile.Read(ref _version);

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

    /// <summary>Updates the copy after a read or write, so that it survives a failure of Redis in the next moment.</summary>
    public async Task UpdateCopyAsync(int version)
    {
        if (version <= Version) return;
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

    /// <summary>Remembers the row of this silo that Orleans has written.</summary>
    public void Wrote(MembershipEntry own) => _own = own;

    /// <summary>True if <paramref name="table"/> is no older than the copy and has this silo, unless this silo is dead.</summary>
    public bool IsWhole(MembershipTableData table) =>
        table.Version.Version >= Version && (_own is not { } own || own.Status == SiloStatus.Dead || table.TryGet(self) is not null);

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

    /// <summary>Deletes the table and forgets the copy: it is removed on purpose, so nothing must be restored.</summary>
    public async Task DeleteAsync(string clusterId, CancellationToken cancellationToken)
    {
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
