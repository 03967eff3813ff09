using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// Tracks which silos are cut off from Redis, as they announce it. A silo that activates users without the journal leaves no
/// trace in Redis, its writes bypass the cached copies, and it cannot see what others have journaled. So it first announces this.
/// The others then flush. While any silo is cut off, no silo reads or writes copies, and each commits a user to the database
/// before it releases it.
/// </summary>
/// <remarks>
/// Messages may be reordered or lost. So each change of a silo's status has its own number, a receiver keeps only the highest
/// number of each silo, and <see cref="ConvergeAsync"/> repeats the status to silos that have not confirmed it.
/// </remarks>
internal sealed partial class PartitionedSilos(IPartitionedPeers peers, ILogger<PartitionedSilos> logger)
{
    /// <summary>The maximum wait for another silo: longer than a live silo needs, unless it has very much to flush.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    // Guards all fields below; held for a few field accesses, never over an await.
    private readonly Lock _gate = new();

    // The status of the others with the highest number received. An entry is removed with its silo (Forget).
    private readonly Dictionary<SiloAddress, (long Number, bool IsCutOff)> _heard = [];

    // Null if the next activation must first announce that this silo is cut off.
    private Task? _announcement;

    // The status of this silo; the number increases with each change and identifies one status.
    private long _number;
    private bool _isCutOff;

    // The number that each of the others has confirmed. An entry is removed with its silo (ConvergeAsync).
    private readonly Dictionary<SiloAddress, long> _confirmed = [];

    // The silos in _heard that are cut off. Replaced as a whole under the lock, read by any thread.
    private volatile SiloAddress[] _cutOff = [];

    /// <summary>True while another silo is cut off.</summary>
    public bool IsAny => _cutOff.Length > 0;

    /// <summary>The other silos that are cut off.</summary>
    public IReadOnlyList<SiloAddress> All => _cutOff;

    /// <summary>All other silos that have announced a status and are not forgotten.</summary>
    public IReadOnlyList<SiloAddress> Heard
    {
        get
        {
            lock (_gate) return [.. _heard.Keys];
        }
    }

    /// <summary>True once this silo has announced, or begun to announce, that it is cut off.</summary>
    public bool IsAnnounced
    {
        get
        {
            lock (_gate) return _announcement is not null;
        }
    }

    /// <summary>Applies the announcement of another silo, unless a later one was received already.</summary>
    public void Told(SiloAddress silo, long number, bool isCutOff)
    {
        lock (_gate)
        {
            if (_heard.TryGetValue(silo, out var last) && last.Number >= number) return;
            _heard[silo] = (number, isCutOff);
            Publish();
        }
    }

    /// <summary>Forgets a silo that has left.</summary>
    public void Forget(SiloAddress silo)
    {
        lock (_gate)
        {
            if (_heard.Remove(silo)) Publish();
        }
    }

    /// <summary>
    /// Returns once the others know that this silo is cut off and have flushed, or have timed out. Announced once per outage.
    /// </summary>
    public Task AnnounceAsync()
    {
        lock (_gate) return _announcement ??= TellAsync(peers.Others, Next(isCutOff: true), isCutOff: true, isNews: true);
    }

    /// <summary>
    /// Invalidates older copies and announces that this silo is no longer cut off. If a user is activated without the journal
    /// meanwhile, that activation announces the outage again, and nothing is withdrawn.
    /// </summary>
    public async Task WithdrawAsync(Func<Task> voidCopies)
    {
        lock (_gate) _announcement = null;
        try
        {
            await voidCopies();
        }
        catch
        {
            // The others still treat this silo as cut off; the next attempt withdraws that.
            lock (_gate) _announcement ??= Task.CompletedTask;
            throw;
        }

        Task telling;
        lock (_gate)
        {
            if (_announcement is not null) return;

            // Take the number before a new announcement can: the announcement then has the higher number and wins in any order.
            telling = TellAsync(peers.Others, Next(isCutOff: false), isCutOff: false, isNews: true);
        }

        await telling;
    }

    /// <summary>
    /// Repeats this silo's status to silos that have not confirmed it, because they joined later or the message was lost. To be
    /// called periodically.
    /// </summary>
    /// <param name="all">Also repeat it to silos that have confirmed: one may have taken this silo for dead and forgotten it.</param>
    public async Task ConvergeAsync(bool all = false)
    {
        var others = peers.Others;
        Task telling;
        lock (_gate)
        {
            foreach (var gone in _confirmed.Keys.Except(others).ToList()) _confirmed.Remove(gone);

            // A silo that was never cut off has no status to announce.
            var untold = _number == 0 ? [] : others.Where(silo => all || _confirmed.GetValueOrDefault(silo) < _number).ToList();
            telling = TellAsync(untold, _number, _isCutOff, isNews: false);
        }

        await telling;
    }

    /// <summary>
    /// Makes all others flush what they have journaled, and waits for each at most <see cref="Patience"/>. The journal's server may
    /// have been promoted without their last rows.
    /// </summary>
    public Task FlushOthersAsync() => Task.WhenAll(peers.Others.Select(silo => Task.Run(() => FlushAsync(silo, LogLevel.Debug))));

    // Both require the lock.
    private long Next(bool isCutOff)
    {
        _isCutOff = isCutOff;
        return ++_number;
    }

    private void Publish() => _cutOff = [.. _heard.Where(entry => entry.Value.IsCutOff).Select(entry => entry.Key)];

    // On the thread pool, because this needs no turn of a grain.
    private Task TellAsync(IEnumerable<SiloAddress> silos, long number, bool isCutOff, bool isNews) =>
        Task.WhenAll(silos.Select(silo => Task.Run(() => TellAsync(silo, number, isCutOff, isNews))));

    private async Task TellAsync(SiloAddress silo, long number, bool isCutOff, bool isNews)
    {
        // Repeated announcements are logged at debug level.
        var level = isNews ? LogLevel.Warning : LogLevel.Debug;
        bool isFirst;
        try
        {
            await peers.TellAsync(silo, number, isCutOff).WaitAsync(Patience);
            lock (_gate)
            {
                isFirst = _confirmed.GetValueOrDefault(silo) < number;
                if (isFirst) _confirmed[silo] = number;
            }
        }
        catch (Exception error)
        {
            LogNotTold(logger, level, silo, isCutOff, error.Message);
            return;
        }

        // This silo reads the database from now on, so the other one's unflushed rows must get there first.
        if (isCutOff && (isFirst || isNews)) await FlushAsync(silo, level);
    }

    private async Task FlushAsync(SiloAddress silo, LogLevel level)
    {
        try
        {
            await peers.FlushAsync(silo).WaitAsync(Patience);
        }
        catch (Exception error)
        {
            LogNotFlushed(logger, level, silo, error.Message);
        }
    }

    [LoggerMessage(EventId = 1517, Message =
        "Silo {Silo} could not be told whether this silo is cut off from Redis ({IsCutOff}); retrying: {Reason}")]
    private static partial void LogNotTold(ILogger logger, LogLevel level, SiloAddress silo, bool isCutOff, string reason);

    [LoggerMessage(EventId = 1518, Message =
        "Silo {Silo} did not flush its journaled rows in time; its users that move to this silo may be stale: {Reason}")]
    private static partial void LogNotFlushed(ILogger logger, LogLevel level, SiloAddress silo, string reason);
}
