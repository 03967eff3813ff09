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

    /// <summary>Hits per look-up, 0 to 1; 0 where there was none.</summary>
    public double HitRate => KeyspaceHits + KeyspaceMisses == 0 ? 0 : (double)KeyspaceHits / (KeyspaceHits + KeyspaceMisses);

    /// <summary>Used by allowed memory, 0 to 1; 0 where there is no limit.</summary>
    public double MemoryUse => MaxMemory == 0 ? 0 : (double)UsedMemory / MaxMemory;
}
