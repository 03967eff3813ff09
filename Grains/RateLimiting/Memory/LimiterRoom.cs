using Microsoft.Extensions.Options;

namespace Actors.RateLimiting;

/// <summary>A limited client in this silo's memory, as a candidate for eviction.</summary>
internal interface IResident
{
    /// <summary>Its index in the room; used by the room only.</summary>
    int Position { get; set; }

    /// <summary>Its memory. Thread-safe.</summary>
    long Bytes { get; }

    /// <summary>The last call, in milliseconds of system uptime. Thread-safe.</summary>
    long LastCalled { get; }

    /// <summary>The first call, in milliseconds of system uptime.</summary>
    long FirstCalled { get; }

    /// <summary>Asks it to leave the memory; it reports to the room if it cannot. Thread-safe.</summary>
    void AskToLeave();
}

/// <summary>
/// Bounds the memory of this silo's limiters. When it is full, a new client evicts others, which lose nothing because Redis has
/// their grants. Clients called only briefly go first, then the idlest, so a flood of new ids evicts itself instead of regular
/// clients. Thread-safe.
/// </summary>
internal sealed class LimiterRoom(LimiterCounters counters, IOptions<RateLimitOptions> options)
{
    /// <summary>The retry delay of refused clients.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    // Evicts the best of a random sample. That is nearly as good as a full order, which every call would have to maintain.
    private const int Sample = 32;

    // A client takes about 7 KB. Each new client evicts at most a few, so the room empties faster than it fills.
    private const int MostAtOnce = 4;

    // A client called repeatedly over this time (milliseconds) is established.
    private const int EstablishedAfter = 1000;
    private const int IdleAfter = 1000;
    private const int NewIsIdleAfter = 20;

    // Guards the fields below; held for a few field accesses or for one sample.
    private readonly Lock _gate = new();
    private readonly List<IResident> _residents = [];
    private readonly Dictionary<IResident, long> _leaving = [];
    private long _leavingBytes;

    /// <summary>The memory ceiling in bytes.</summary>
    public long MaxBytes => options.Value.MaxMemory;

    /// <summary>True if the ceiling is reached.</summary>
    public bool IsFull => counters.Bytes >= MaxBytes;

    public void Enter(IResident resident)
    {
        lock (_gate)
        {
            resident.Position = _residents.Count;
            _residents.Add(resident);
        }
    }

    public void Leave(IResident resident)
    {
        lock (_gate)
        {
            Stay(resident);
            var last = _residents[^1];
            (_residents[resident.Position], last.Position) = (last, resident.Position);
            _residents.RemoveAt(_residents.Count - 1);
        }
    }

    /// <summary>Reports that a client cannot leave: calls wait for it, or Redis lacks some of its grants.</summary>
    public void Stays(IResident resident)
    {
        lock (_gate) Stay(resident);
    }

    /// <summary>Whether a client that is new to this silo is admitted; evicts others to make room.</summary>
    public bool TryAdmit(IResident newcomer)
    {
        if (!IsFull) return true;
        lock (_gate)
        {
            for (var i = 0; i < MostAtOnce && counters.Bytes - _leavingBytes >= MaxBytes; i++)
            {
                if (Pick(newcomer) is not { } resident) break;
                _leaving.Add(resident, resident.Bytes);
                _leavingBytes += resident.Bytes;
                resident.AskToLeave();
            }

            // Evictions take a moment, and the overshoot is bounded.
            return counters.Bytes - _leavingBytes < MaxBytes && counters.Bytes < MaxBytes + (MaxBytes / 8);
        }
    }

    /// <summary>True if the silo is full and this client exceeds an equal share of the memory.</summary>
    public bool IsOverShare(IResident resident)
    {
        if (!IsFull) return false;
        lock (_gate) return resident.Bytes > MaxBytes / Math.Max(1, _residents.Count);
    }

    private IResident? Pick(IResident newcomer)
    {
        var now = Environment.TickCount64;
        IResident? best = null;
        var bestScore = long.MaxValue;
        for (var i = 0; i < Sample; i++)
        {
            var resident = _residents[Random.Shared.Next(_residents.Count)];
            if (ReferenceEquals(resident, newcomer) || _leaving.ContainsKey(resident)) continue;
            var isEstablished = resident.LastCalled - resident.FirstCalled >= EstablishedAfter;
            if (now - resident.LastCalled < (isEstablished ? IdleAfter : NewIsIdleAfter)) continue;

            // Established clients are evicted last.
            var score = resident.LastCalled + (isEstablished ? long.MaxValue / 2 : 0);
            if (score < bestScore) (best, bestScore) = (resident, score);
        }

        return best;
    }

    private void Stay(IResident resident)
    {
        if (_leaving.Remove(resident, out var bytes)) _leavingBytes -= bytes;
    }
}
