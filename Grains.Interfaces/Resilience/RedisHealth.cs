using System.Text.Json.Serialization;

namespace Actors;

/// <summary>The health of a Redis server, as reported by INFO. Figures that INFO lacks are 0.</summary>
[GenerateSerializer, Immutable, Alias("Actors.RedisHealth")]
public sealed record RedisHealth
{
    /// <summary>When INFO was read, by the silo's clock.</summary>
    [Id(0)] public required DateTimeOffset At { get; init; }

    /// <summary>The server's version.</summary>
    [Id(1)] public string Version { get; init; } = "";

    /// <summary>How long the server has been up.</summary>
    [Id(2)] public TimeSpan Uptime { get; init; }

    /// <summary>The bytes in use.</summary>
    [Id(3)] public long UsedMemory { get; init; }

    /// <summary>The maximum bytes; 0 means no limit.</summary>
    [Id(4)] public long MaxMemory { get; init; }

    /// <summary>Client connections.</summary>
    [Id(5)] public long ConnectedClients { get; init; }

    /// <summary>Keys evicted since the server's start.</summary>
    [Id(6)] public long EvictedKeys { get; init; }

    /// <summary>Look-ups that found their key, since the server's start.</summary>
    [Id(7)] public long KeyspaceHits { get; init; }

    /// <summary>Look-ups that did not find their key, since the server's start.</summary>
    [Id(8)] public long KeyspaceMisses { get; init; }

    /// <summary>The eviction policy when memory is full, e.g. "noeviction" or "allkeys-lru".</summary>
    [Id(9)] public string MaxMemoryPolicy { get; init; } = "";

    /// <summary>The persistence of the server.</summary>
    [Id(10)] public RedisPersistence Persistence { get; init; }

    /// <summary>The problem of this server as the Redis of the journal; null if there is none, or if it is unknown.</summary>
    public string? JournalWarning => Persistence switch
    {
        RedisPersistence.None =>
            "it holds the journal and keeps nothing on disk: if it stops, acknowledged writes that are not in the database are lost. Set appendonly yes",
        RedisPersistence.Snapshots =>
            "it holds the journal and keeps only snapshots on disk: if it stops, writes acknowledged since the last one are lost unless they are in the database. Set appendonly yes",
        RedisPersistence.NoLog =>
            "it holds the journal and has no append-only log: if it stops, acknowledged writes that are not in the database may be lost. Set appendonly yes",
        _ => null,
    };

    /// <summary>Hits per look-up, 0 to 1; 0 if there were no look-ups.</summary>
    public double HitRate => KeyspaceHits + KeyspaceMisses == 0 ? 0 : (double)KeyspaceHits / (KeyspaceHits + KeyspaceMisses);

    /// <summary>Used memory relative to the maximum, 0 to 1; 0 if there is no limit.</summary>
    public double MemoryUse => MaxMemory == 0 ? 0 : (double)UsedMemory / MaxMemory;
}

/// <summary>The persistence of a Redis server: the data it keeps on disk.</summary>
[GenerateSerializer, Alias("Actors.RedisPersistence"), JsonConverter(typeof(JsonStringEnumConverter<RedisPersistence>))]
public enum RedisPersistence
{
    /// <summary>The server does not report it.</summary>
    Unknown,

    /// <summary>An append-only log of all writes.</summary>
    Log,

    /// <summary>Periodic snapshots.</summary>
    Snapshots,

    /// <summary>Nothing.</summary>
    None,

    /// <summary>No append-only log; the server does not report whether there are snapshots.</summary>
    NoLog,
}
