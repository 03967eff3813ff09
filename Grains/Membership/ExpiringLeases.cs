using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.Membership;

/// <summary>
/// Knows until when silos that were declared dead may still answer from memory. A silo that runs but cannot be reached by the
/// others may have proven its membership just before it was declared dead, and answers for one more
/// <see cref="MembershipLease.Duration"/>. Nothing that it may have owned is changed before that is over.
/// </summary>
/// <param name="members">The status of each silo that is known, by its name in the journal; another object after each change.</param>
/// <param name="clock">The time.</param>
internal sealed class ExpiringLeases(Func<IReadOnlyDictionary<string, MemberStatus>> members, TimeProvider clock)
{
    /// <summary>How long after news of a death is waited: a little more than a lease, which runs by the clock of another machine.</summary>
    public static readonly TimeSpan Wait = MembershipLease.Duration * 1.1;

    // How long news of the death of a silo may take that has already lost a key.
    private static readonly TimeSpan NewsLimit = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);

    // Guards all below.
    private readonly Lock _gate = new();

    // What was last seen of each silo; as many as the membership knows. Null before the first look: who was dead by then has
    // been for longer than a lease, since to join takes that long.
    private IReadOnlyDictionary<string, MemberStatus>? _seen;
    private long? _lastDeath;

    // When silos died that were stopping, for as long as the membership knows them.
    private readonly Dictionary<string, long> _stopped = [];

    /// <summary>Takes note of silos that were declared dead. To be called at regular intervals.</summary>
    public void Look()
    {
        lock (_gate)
        {
            var now = members();
            if (ReferenceEquals(now, _seen)) return;

            if (_seen is not null)
            {
                foreach (var (silo, status) in now)
                {
                    if (status == MemberStatus.Dead) Died(silo, _seen.GetValueOrDefault(silo));
                }

                foreach (var silo in _stopped.Keys.Where(silo => !now.ContainsKey(silo)).ToList()) _stopped.Remove(silo);
            }

            _seen = now;
        }
    }

    /// <summary>Returns once no silo that was declared dead can answer from memory any more. Usually at once.</summary>
    /// <param name="formerSilo">The silo that owned what is to be changed and did not release it, if one did.</param>
    public async Task OverAsync(string? formerSilo)
    {
        Look();
        for (var began = clock.GetTimestamp(); IsAlive(formerSilo) && clock.GetElapsedTime(began) < NewsLimit; Look())
            await Task.Delay(LookAgain, clock);
        var left = Left(formerSilo);
        if (left > TimeSpan.Zero) await Task.Delay(left, clock);
    }

    // A silo that stopped in good order has answered its last call, and released what it owned, before it wrote that it is
    // dead. One that others declared dead while it was stopping has not: it is told by what it did not release.
    private void Died(string silo, MemberStatus before)
    {
        if (before is MemberStatus.ShuttingDown or MemberStatus.Stopping) _stopped[silo] = clock.GetTimestamp();
        else if (before != MemberStatus.Dead) _lastDeath = clock.GetTimestamp();
    }

    private TimeSpan Left(string? formerSilo)
    {
        lock (_gate)
        {
            var left = Left(_lastDeath);
            var leftOfIt = formerSilo is not null && _stopped.TryGetValue(formerSilo, out var death) ? Left(death) : TimeSpan.Zero;
            return left > leftOfIt ? left : leftOfIt;
        }
    }

    private TimeSpan Left(long? death) => death is { } since ? Wait - clock.GetElapsedTime(since) : TimeSpan.Zero;

    private bool IsAlive(string? silo)
    {
        lock (_gate) return silo is not null && _seen!.GetValueOrDefault(silo) is not (MemberStatus.None or MemberStatus.Dead);
    }
}
