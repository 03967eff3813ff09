using System.Text.Json.Serialization;

namespace Actors;

/// <summary>What a Redis says of itself (INFO). A figure that its INFO lacks is 0.</summary>
[GenerateSerializer, Immutable, Alias("Actors.RedisHealth")]
public sealed record RedisHealth
{
    /// <summary>When it was asked, by the silo's clock.</summary>
    [Id(0)] public required DateTimeOffset At { get; init; }

    /// <summary>The server's version.</summary>
    [Id(1)] public string Version { get; init; } = "";

    /// <summary>How long the server has been up.</summary>
    [Id(2)] public TimeSpan Uptime { get; init; }

    /// <summary>Bytes it uses.</summary>
    [Id(3)] public long UsedMemory { get; init; }

    /// <summary>Bytes it may use; 0 is without a limit.</summary>
    [Id(4)] public long MaxMemory { get; init; }

    /// <summary>Connections of clients.</summary>
    [Id(5)] public long ConnectedClients { get; init; }

    /// <summary>Keys evicted since the server's start.</summary>
    [Id(6)] public long EvictedKeys { get; init; }

    /// <summary>Look-ups that found their key, since the server's start.</summary>
    [Id(7)] public long KeyspaceHits { get; init; }

    /// <summary>Look-ups that did not.</summary>
    [Id(8)] public long KeyspaceMisses { get; init; }

    /// <summary>What it does with keys when its memory is full: "noeviction", "allkeys-lru".</summary>
    [Id(9)] public string MaxMemoryPolicy { get; init; } = "";

    /// <summary>What it keeps on disk.</summary>
    [Id(10)] public RedisPersistence Persistence { get; init; }

    /// <summary>What is wrong with it as the Redis of the journal; null if nothing is, or it is not known.</summary>
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

    /// <summary>Hits per look-up, 0 to 1; 0 where there was none.</summary>
    public double HitRate => KeyspaceHits + KeyspaceMisses == 0 ? 0 : (double)KeyspaceHits / (KeyspaceHits + KeyspaceMisses);

    /// <summary>Used by allowed memory, 0 to 1; 0 where there is no limit.</summary>
    public double MemoryUse => MaxMemory == 0 ? 0 : (double)UsedMemory / MaxMemory;
}

/// <summary>What a Redis keeps on disk.</summary>
[GenerateSerializer, Alias("Actors.RedisPersistence"), JsonConverter(typeof(JsonStringEnumConverter<RedisPersistence>))]
public enum RedisPersistence
{
    /// <summary>It does not tell.</summary>
    Unknown,

    /// <summary>An append-only log of all writes.</summary>
    Log,

    /// <summary>Snapshots from time to time.</summary>
    Snapshots,

    /// <summary>Nothing.</summary>
    None,

    /// <summary>No append-only log; it does not tell whether there are snapshots.</summary>
    NoLog,
}
