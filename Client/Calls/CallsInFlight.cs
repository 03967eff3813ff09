namespace Actors.Calls;

/// <summary>Counts the short calls that await their results. Any thread enters and leaves.</summary>
internal sealed class CallsInFlight
{
    // Interlocked.
    private int _calls;

    /// <summary>The number of calls.</summary>
    public int Count => Volatile.Read(ref _calls);

    /// <summary>Begins a call, and returns how many there are now.</summary>
    public int Enter() => Interlocked.Increment(ref _calls);

    /// <summary>Ends a call.</summary>
    public void Leave() => Interlocked.Decrement(ref _calls);
}
