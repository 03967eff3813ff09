namespace Actors.WriteBehind;

/// <summary>The layer that answered a read.</summary>
internal enum ReadLayer
{
    /// <summary>In the memory of its grain.</summary>
    Memory,

    /// <summary>In Redis, journaled or cached.</summary>
    Redis,

    /// <summary>In the database.</summary>
    Database,
}

/// <summary>Hits and misses per layer since the silo started. Safe for any thread: updates are interlocked.</summary>
internal sealed class ReadCounters
{
    private readonly long[] _hits = new long[3];
    private readonly long[] _misses = new long[3];

    /// <summary>Calls that found their user in memory, and calls that did not.</summary>
    public LayerStatus Memory => Status(ReadLayer.Memory);

    /// <summary>Look-ups in Redis, after a miss in memory.</summary>
    public LayerStatus Redis => Status(ReadLayer.Redis);

    /// <summary>Look-ups in the database, after a miss in Redis.</summary>
    public LayerStatus Database => Status(ReadLayer.Database);

    internal void Count(ReadLayer layer, bool isHit) => Interlocked.Increment(ref (isHit ? _hits : _misses)[(int)layer]);

    private LayerStatus Status(ReadLayer layer) => new()
    {
        Hits = Volatile.Read(ref _hits[(int)layer]),
        Misses = Volatile.Read(ref _misses[(int)layer]),
    };
}
