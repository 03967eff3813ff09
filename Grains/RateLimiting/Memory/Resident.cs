namespace Actors.RateLimiting;

/// <summary>A limited client in the silo's memory: what it takes, when it was called, and whether it was admitted.</summary>
/// <remarks>
/// Changed only by the turns of one grain, one at a time. The room reads the numbers on any thread; each access is atomic.
/// </remarks>
internal sealed class Resident(string client, LimiterRoom room, LimiterCounters counters, ILimiterHost host) : IResident
{
    // Approximate memory of a client in Orleans and here, beside its limiters, and the number of strings that hold its id.
    private const int OwnBytes = 5 * 1024;
    private const int IdCopies = 3;

    private long _bytes;
    private long _lastCalled = Environment.TickCount64;
    private long _firstCalled = Environment.TickCount64;
    private bool _isAdmitted;
    private volatile bool _isGone;

    int IResident.Position { get; set; }

    long IResident.Bytes => Volatile.Read(ref _bytes);

    long IResident.LastCalled => Volatile.Read(ref _lastCalled);

    long IResident.FirstCalled => Volatile.Read(ref _firstCalled);

    /// <summary>True if the silo is full and this client exceeds an equal share of the memory.</summary>
    public bool IsOverShare => room.IsOverShare(this);

    public void Enter()
    {
        room.Enter(this);
        counters.AddClients(1);
        AddBytes(OwnBytes + (IdCopies * sizeof(char) * client.Length));
    }

    /// <summary>Records the time of a call. The first call checks the client id and the memory of the silo.</summary>
    /// <exception cref="InvalidRateLimitException">The client id is invalid.</exception>
    /// <exception cref="OverloadedException">The memory is full, and no other client can leave.</exception>
    public void Admit()
    {
        Volatile.Write(ref _lastCalled, Environment.TickCount64);
        if (_isAdmitted) return;
        RateLimits.ValidateId(client);
        if (!room.TryAdmit(this)) throw Overloaded("new clients are refused until others have left");
        _isAdmitted = true;
    }

    /// <summary>Admits a client whose earlier activation has just freed the same memory.</summary>
    public void AdmitAlways() => _isAdmitted = true;

    public void AddBytes(long more)
    {
        // Closing took too long.
        if (_isGone) return;
        Volatile.Write(ref _bytes, _bytes + more);
        counters.AddBytes(more);
    }

    void IResident.AskToLeave() => host.AskToLeave();

    /// <summary>Reports that the client cannot leave.</summary>
    public void Stay()
    {
        // Other clients are asked first now. The time over which this client was called stays the same.
        var now = Environment.TickCount64;
        Volatile.Write(ref _firstCalled, now - (_lastCalled - _firstCalled));
        Volatile.Write(ref _lastCalled, now);
        room.Stays(this);
    }

    /// <summary>The activation has ended. Called after its last turn.</summary>
    public void Leave()
    {
        if (_isGone) return;
        _isGone = true;
        room.Leave(this);
        counters.AddClients(-1);
        counters.AddBytes(-Volatile.Read(ref _bytes));
    }

    public OverloadedException Overloaded(string why) => new(
        $"The limiters on this silo take {counters.Bytes} bytes "
            + $"({RateLimitOptions.Section}:{nameof(RateLimitOptions.MaxMemory)} is {room.MaxBytes}): {why}.",
        LimiterRoom.RetryAfter);
}
