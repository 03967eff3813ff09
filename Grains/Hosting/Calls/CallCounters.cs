namespace Actors.Hosting;

/// <summary>Counts the calls that came in messages of client apps. Any thread counts.</summary>
internal sealed class CallCounters
{
    private long _turns;
    private long _forwarded;

    /// <summary>Calls that ran as turns of an activation on this silo.</summary>
    public long Turns => Volatile.Read(ref _turns);

    /// <summary>Calls that were forwarded by Orleans: their grain was not active here, or needed a message.</summary>
    public long Forwarded => Volatile.Read(ref _forwarded);

    public void CountTurn() => Interlocked.Increment(ref _turns);

    public void CountForwarded() => Interlocked.Increment(ref _forwarded);
}
