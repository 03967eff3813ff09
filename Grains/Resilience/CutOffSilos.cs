using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Actors.Resilience;

/// <summary>
/// Which silos of the cluster are cut off from Redis, by their own word. A silo that takes users on without the journal
/// leaves no trace of that in Redis, its writes go past the cached copies, and it cannot see what others have journaled. So
/// it tells the others first. They flush what they have, and as long as any silo is cut off, none reads or makes copies, and
/// each commits a user to the database before it lets go of it.
/// </summary>
/// <param name="others">The other active silos.</param>
/// <param name="tell">Tells one of them that this silo is cut off (true), or is so no longer (false).</param>
/// <param name="logger">Where it says who could not be told.</param>
internal sealed partial class CutOffSilos(
    Func<IReadOnlyCollection<SiloAddress>> others, Func<SiloAddress, bool, Task> tell, ILogger<CutOffSilos> logger)
{
    /// <summary>How long the others are waited for: longer than any that lives needs, unless it has very much to flush.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    // Any thread adds and removes.
    private readonly ConcurrentDictionary<SiloAddress, bool> _cutOff = [];

    // Guards _announcement: null while this silo is not known to be cut off.
    private readonly Lock _gate = new();
    private Task? _announcement;

    /// <summary>True while another silo is cut off.</summary>
    public bool IsAny => !_cutOff.IsEmpty;

    /// <summary>The other silos that are.</summary>
    public IEnumerable<SiloAddress> All => _cutOff.Keys;

    /// <summary>True once this silo has told, or begun to tell, that it is cut off.</summary>
    public bool IsAnnounced
    {
        get
        {
            lock (_gate) return _announcement is not null;
        }
    }

    /// <summary>Takes in what another silo tells of itself.</summary>
    public void Told(SiloAddress silo, bool isCutOff)
    {
        if (isCutOff) _cutOff.TryAdd(silo, true);
        else _cutOff.TryRemove(silo, out _);
    }

    /// <summary>Returns once the others know that this silo is cut off, or cannot be told. They are told once per break.</summary>
    public Task AnnounceAsync()
    {
        lock (_gate) return _announcement ??= TellAllAsync(isCutOff: true);
    }

    /// <summary>Tells it again, for silos that have joined since.</summary>
    public Task RepeatAsync() => TellAllAsync(isCutOff: true);

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

        lock (_gate)
        {
            if (_announcement is not null) return;
        }

        await TellAllAsync(isCutOff: false);
    }

    private Task TellAllAsync(bool isCutOff) => Task.WhenAll(others().Select(async silo =>
    {
        try
        {
            await tell(silo, isCutOff).WaitAsync(Patience);
        }
        catch (Exception error)
        {
            LogNotTold(logger, silo, isCutOff, error.Message);
        }
    }));

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Silo {Silo} could not be told whether this one is cut off from Redis ({IsCutOff}): {Reason}")]
    private static partial void LogNotTold(ILogger logger, SiloAddress silo, bool isCutOff, string reason);
}
