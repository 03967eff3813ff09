namespace Actors.Hosting;

/// <summary>Counts the calls that came in messages of client apps. Any thread counts.</summary>
internal sealed class CallCounters
{
    private long _turns;
    private long _messages;
    private long _forwarded;
    private long _returned;

    /// <summary>Calls that ran as turns of an activation on this silo, and reads that needed no turn.</summary>
    public long Turns => Volatile.Read(ref _turns);

    /// <summary>
    /// Calls that Orleans brought to their grain on this silo: the first of an activation, and one in 20 s, by which Orleans sees that the
    /// grain is in use.
    /// </summary>
    public long Messages => Volatile.Read(ref _messages);

    /// <summary>Calls that went on to another silo.</summary>
    public long Forwarded => Volatile.Read(ref _forwarded);

    /// <summary>Calls that were given back to the client, which makes them by themselves.</summary>
    public long Returned => Volatile.Read(ref _returned);

    public void CountTurn() => Interlocked.Increment(ref _turns);

    public void CountMessage() => Interlocked.Increment(ref _messages);

    public void CountForwarded() => Interlocked.Increment(ref _forwarded);

    public void CountReturned() => Interlocked.Increment(ref _returned);
}
