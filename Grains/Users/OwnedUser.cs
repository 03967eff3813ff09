using Actors.WriteBehind;

namespace Actors.Users;

/// <summary>
/// A user in memory under one ownership: its state, and how far its writes have got. Only turns of its grain access it, one at a
/// time; other turns may run during any await. Any thread may read <see cref="Published"/>.
/// </summary>
internal sealed class OwnedUser
{
    // The version that was loaded.
    private readonly long _loaded;

    // The version up to which the journal has answered, and the number of writes that wait for its answer and, if it refuses them,
    // are repeated.
    private long _answered;
    private int _unanswered;

    // Written by turns, read by any thread.
    private volatile User? _published;

    public OwnedUser(OpenedRow opened)
    {
        Owner = opened.Owner;
        IsPossiblyStale = opened.IsPossiblyStale;
        Writable = opened.Writable;
        Accepted = Acknowledged = opened.Row is { } row ? UserDocument.FromRow(row) : UserState.None;
        _loaded = _answered = Accepted.Version;
        Publish();
    }

    /// <summary>The ownership.</summary>
    public Ownership Owner { get; }

    /// <summary>True if the journal could not be read when the user was loaded.</summary>
    public bool IsPossiblyStale { get; }

    /// <summary>Completes once no former owner on a silo that was declared dead can answer from memory.</summary>
    public Task Writable { get; }

    /// <summary>False once the ownership is lost, or replaced by a later one.</summary>
    public bool IsCurrent { get; private set; } = true;

    /// <summary>The state with all accepted writes, on which the next write builds.</summary>
    public UserState Accepted { get; private set; }

    /// <summary>The state with all acknowledged writes, which readers see.</summary>
    public UserState Acknowledged { get; private set; }

    /// <summary>The user that readers see, if there is one and no turn is needed to answer a read. Any thread may read it.</summary>
    public User? Published => Owner.IsLost ? null : _published;

    /// <summary>The last version known to be in the journal.</summary>
    public long Journaled { get; private set; }

    /// <summary>True if the journal is known to have, or have had, all acknowledged writes.</summary>
    public bool IsJournaled => Acknowledged.Version <= Journaled;

    /// <summary>True if all acknowledged writes are in the journal or were there to be loaded.</summary>
    public bool IsStored => Acknowledged.Version <= Math.Max(Journaled, _loaded);

    /// <summary>The last write in flight: completes once it is acknowledged or its caller no longer waits.</summary>
    public Task Writing { get; set; } = Task.CompletedTask;

    /// <summary>False while a write that may be refused and repeated waits for the journal's answer.</summary>
    public bool AreAllAnswered => _unanswered == 0;

    /// <summary>True once <paramref name="version"/> is acknowledged and the journal has answered it.</summary>
    public bool IsAnswered(long version) => Acknowledged.Version >= version && _answered >= version;

    /// <summary>The next write builds on <paramref name="next"/>.</summary>
    public void Accept(UserState next) => Accepted = next;

    /// <summary>A write waits for the journal's answer and is repeated if that refuses it.</summary>
    public void AwaitAnswer() => _unanswered++;

    /// <summary>The journal has answered <paramref name="version"/>.</summary>
    public void Answer(long version, bool wasAwaited)
    {
        if (wasAwaited) _unanswered--;
        _answered = Math.Max(_answered, version);
    }

    /// <summary>Makes <paramref name="next"/> visible to readers.</summary>
    public void Acknowledge(UserState next, bool isJournaled)
    {
        if (!IsCurrent) return;
        if (next.Version > Acknowledged.Version) Acknowledged = next;
        if (isJournaled) Journaled = Math.Max(Journaled, next.Version);
        Publish();
    }

    /// <summary>Ends the ownership: nothing more is acknowledged under it, and no further write under it bypasses the journal.</summary>
    public void End()
    {
        IsCurrent = false;
        Owner.Lose();
        Publish();
    }

    // A user that was loaded without the journal is loaded again once the journal is back, which takes a turn.
    private void Publish() => _published = IsCurrent && !IsPossiblyStale && !Owner.IsWithoutJournal ? Acknowledged.User : null;
}
