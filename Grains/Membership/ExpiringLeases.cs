using MemberStatus = Orleans.Runtime.SiloStatus;

namespace Actors.Membership;

/// <summary>
/// Tracks until when silos that were declared dead may still answer from memory. A silo that runs but cannot be reached may
/// have proven its membership just before it was declared dead. It then answers for one more
/// <see cref="MembershipLease.Duration"/>. Until that is over, nothing it may have owned is changed.
/// </summary>
/// <param name="members">The status of each known silo, by its name in the journal. A new object after each change.</param>
/// <param name="clock">The clock.</param>
internal sealed class ExpiringLeases(Func<IReadOnlyDictionary<string, MemberStatus>> members, TimeProvider clock)
{
    /// <summary>How long to wait after a death: slightly longer than a lease, which runs on another machine's clock.</summary>
    public static readonly TimeSpan Wait = MembershipLease.Duration * 1.1;

    // How long the news of the death of a silo may take after it lost a key.
    private static readonly TimeSpan NewsLimit = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);

    // Guards the fields below.
    private readonly Lock _gate = new();

    // The last seen status of each silo the membership knows. Null before the first look: a silo dead by then has been dead for
    // longer than a lease, because a join takes that long.
    private IReadOnlyDictionary<string, MemberStatus>? _seen;
    private long? _lastDeath;

    // When silos died that were stopping, while the membership still knows them.
    private readonly Dictionary<string, long> _stopped = [];

    /// <summary>Notices silos that were declared dead. Call it at regular intervals.</summary>
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

    /// <summary>Waits until no silo that was declared dead can still answer from memory. Usually returns at once.</summary>
    /// <param name="formerSilo">The silo that owned the data to be changed and did not release it; null if there is none.</param>
    public async Task OverAsync(string? formerSilo)
    {
        Look();
        for (var began = clock.GetTimestamp(); IsAlive(formerSilo) && clock.GetElapsedTime(began) < NewsLimit; Look())
            await Task.Delay(LookAgain, clock);
        var left = Left(formerSilo);
        if (left > TimeSpan.Zero) await Task.Delay(left, clock);
    }

    // A silo that stops gracefully answers its last call and releases its grains before it writes that it is dead. A silo that
    // others declared dead while it stopped did not; the key it failed to release identifies it.
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
