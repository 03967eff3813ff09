using Microsoft.Extensions.Options;

namespace Actors.RateLimiting;

/// <summary>A limited client in this silo's memory, as seen by who makes room.</summary>
internal interface IResident
{
    /// <summary>Where the room keeps it; touched by the room only.</summary>
    int Position { get; set; }

    /// <summary>The memory it takes. Any thread.</summary>
    long Bytes { get; }

    /// <summary>When it was last called, in milliseconds of the system's uptime. Any thread.</summary>
    long LastCalled { get; }

    /// <summary>When it was first called.</summary>
    long FirstCalled { get; }

    /// <summary>Asks it to leave the memory; it tells the room if it cannot. Any thread.</summary>
    void AskToLeave();
}

/// <summary>
/// The memory that limiters of this silo may take. When it is full a new client is let in by sending others away: what they
/// know is in Redis, so they lose nothing. Those that were called only for a moment go first, then the idlest; so a flood of
/// new ids displaces itself, and not clients that call again and again. Any thread.
/// </summary>
internal sealed class LimiterRoom(LimiterCounters counters, IOptions<RateLimitOptions> options)
{
    /// <summary>What clients that are refused are told to wait.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    // Of so many picked at random the best is sent away: nearly as good as an order of all, which each call would have to keep.
    private const int Sample = 32;

    // A client takes about 7 KB: one that comes sends a few away at most, so that the room empties faster than it fills.
    private const int MostAtOnce = 4;

    // One that is called in several calls over this time is established.
    private const int EstablishedAfter = 1000;
    private const int IdleAfter = 1000;
    private const int NewIsIdleAfter = 20;

    // Guards the fields below; held for a few field accesses, or for one sample.
    private readonly Lock _gate = new();
    private readonly List<IResident> _residents = [];
    private readonly Dictionary<IResident, long> _leaving = [];
    private long _leavingBytes;

    /// <summary>The ceiling.</summary>
    public long MaxBytes => options.Value.MaxMemory;

    /// <summary>True at the ceiling.</summary>
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

    /// <summary>It was asked to leave, and cannot: calls wait on it, or it knows what Redis does not.</summary>
    public void Stays(IResident resident)
    {
        lock (_gate) Stay(resident);
    }

    /// <summary>True where a client that is new to this silo may come in; sends others away for it.</summary>
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

            // Those that leave take a moment. The overshoot is bounded.
            return counters.Bytes - _leavingBytes < MaxBytes && counters.Bytes < MaxBytes + (MaxBytes / 8);
        }
    }

    /// <summary>True where the silo is full and this client takes more than an equal share of it: then it gets no more.</summary>
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

            // The established ones behind all others.
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
