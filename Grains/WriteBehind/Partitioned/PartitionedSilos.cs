using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// Which silos of the cluster are cut off from Redis, by their own word. A silo that takes users on without the journal
/// leaves no trace of that in Redis, its writes go past the cached copies, and it cannot see what others have journaled. So
/// it tells the others first. They flush what they have, and as long as any silo is cut off, none reads or makes copies, and
/// each commits a user to the database before it lets go of it.
/// </summary>
/// <remarks>
/// Messages may overtake each other and get lost. So each change of how a silo stands has a number of its own, a silo heeds
/// only the highest number it has heard of another, and <see cref="ConvergeAsync"/> tells those again who have not confirmed.
/// </remarks>
internal sealed partial class PartitionedSilos(IPartitionedPeers peers, ILogger<PartitionedSilos> logger)
{
    /// <summary>How long another silo is waited for: longer than any that lives needs, unless it has very much to flush.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    // Guards all below; held for a few field accesses, never over an await.
    private readonly Lock _gate = new();

    // How the others stand, by the highest number heard of each. An entry goes with its silo (Forget).
    private readonly Dictionary<SiloAddress, (long Number, bool IsCutOff)> _heard = [];

    // Null while users taken on have to wait for an announcement first.
    private Task? _announcement;

    // How this silo stands; the number rises with each change, so that each stands for one state.
    private long _number;
    private bool _isCutOff;

    // The number that each of the others has confirmed. An entry goes with its silo (ConvergeAsync).
    private readonly Dictionary<SiloAddress, long> _confirmed = [];

    // Those of _heard that are cut off: replaced as a whole under the gate, read by any thread.
    private volatile SiloAddress[] _cutOff = [];

    /// <summary>True while another silo is cut off.</summary>
    public bool IsAny => _cutOff.Length > 0;

    /// <summary>The other silos that are.</summary>
    public IReadOnlyList<SiloAddress> All => _cutOff;

    /// <summary>All others that have ever told how they stand, and have not been forgotten.</summary>
    public IReadOnlyList<SiloAddress> Heard
    {
        get
        {
            lock (_gate) return [.. _heard.Keys];
        }
    }

    /// <summary>True once this silo has told, or begun to tell, that it is cut off.</summary>
    public bool IsAnnounced
    {
        get
        {
            lock (_gate) return _announcement is not null;
        }
    }

    /// <summary>Takes in what another silo tells of itself; not what it told before something that was heard already.</summary>
    public void Told(SiloAddress silo, long number, bool isCutOff)
    {
        lock (_gate)
        {
            if (_heard.TryGetValue(silo, out var last) && last.Number >= number) return;
            _heard[silo] = (number, isCutOff);
            Publish();
        }
    }

    /// <summary>Forgets a silo that has gone.</summary>
    public void Forget(SiloAddress silo)
    {
        lock (_gate)
        {
            if (_heard.Remove(silo)) Publish();
        }
    }

    /// <summary>
    /// Returns once the others know that this silo is cut off and have flushed, or were waited for long enough. They are told
    /// once per break.
    /// </summary>
    public Task AnnounceAsync()
    {
        lock (_gate) return _announcement ??= TellAsync(peers.Others, Next(isCutOff: true), isCutOff: true, isNews: true);
    }

    /// <summary>
    /// Makes older copies void and tells the others that this silo is cut off no longer, unless it is so again by then: who
    /// takes a user on meanwhile announces it anew.
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
            // The others have been told, and are told of the end with the next attempt.
            lock (_gate) _announcement ??= Task.CompletedTask;
            throw;
        }

        Task telling;
        lock (_gate)
        {
            if (_announcement is not null) return;

            // Numbered before it can be announced anew: whichever message comes first, that one counts.
            telling = TellAsync(peers.Others, Next(isCutOff: false), isCutOff: false, isNews: true);
        }

        await telling;
    }

    /// <summary>
    /// Tells those again how this silo stands who have not confirmed that they know: they have joined since, or the message
    /// was lost. To be called again and again.
    /// </summary>
    /// <param name="all">Tell those as well who have confirmed: one may have taken this silo for dead, and forgotten it.</param>
    public async Task ConvergeAsync(bool all = false)
    {
        var others = peers.Others;
        Task telling;
        lock (_gate)
        {
            foreach (var gone in _confirmed.Keys.Except(others).ToList()) _confirmed.Remove(gone);

            // Of a silo that was never cut off there is nothing to know.
            var untold = _number == 0 ? [] : others.Where(silo => all || _confirmed.GetValueOrDefault(silo) < _number).ToList();
            telling = TellAsync(untold, _number, _isCutOff, isNews: false);
        }

        await telling;
    }

    /// <summary>
    /// Has all others flush what they have journaled, and waits for each no longer than <see cref="Patience"/>: the journal
    /// may be that of a server which had not heard of their last rows when it was promoted.
    /// </summary>
    public Task FlushOthersAsync() => Task.WhenAll(peers.Others.Select(silo => Task.Run(() => FlushAsync(silo, LogLevel.Debug))));

    // Both under the gate.
    private long Next(bool isCutOff)
    {
        _isCutOff = isCutOff;
        return ++_number;
    }

    private void Publish() => _cutOff = [.. _heard.Where(entry => entry.Value.IsCutOff).Select(entry => entry.Key)];

    // On the thread pool: no turn of a grain is needed for it.
    private Task TellAsync(IEnumerable<SiloAddress> silos, long number, bool isCutOff, bool isNews) =>
        Task.WhenAll(silos.Select(silo => Task.Run(() => TellAsync(silo, number, isCutOff, isNews))));

    private async Task TellAsync(SiloAddress silo, long number, bool isCutOff, bool isNews)
    {
        // Those that are told again and again are not worth a line each time.
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

        // This silo reads the database from now on: what the other one has not flushed yet must be there by then.
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

    [LoggerMessage(Message =
        "Silo {Silo} could not be told whether this one is cut off from Redis ({IsCutOff}), and is told again: {Reason}")]
    private static partial void LogNotTold(ILogger logger, LogLevel level, SiloAddress silo, bool isCutOff, string reason);

    [LoggerMessage(Message =
        "Silo {Silo} was asked to flush what it has journaled, and has not flushed all of it in time; its users that move here may be stale: {Reason}")]
    private static partial void LogNotFlushed(ILogger logger, LogLevel level, SiloAddress silo, string reason);
}
