namespace Actors.RateLimiting;

/// <summary>
/// What an activation knew that the next one cannot read from Redis: what it granted without Redis, and while Redis is away
/// all else that counts. Times are microseconds by the clock of Redis.
/// </summary>
[GenerateSerializer, Alias("Actors.LimiterHandoff")]
internal sealed class LimiterHandoff
{
    /// <summary>The activation it comes from, and those whose handoffs that one had taken: none is taken twice.</summary>
    [Id(0)] public required string[] Origins { get; init; }

    [Id(1)] public required LogHandoff[] Logs { get; init; }

    /// <summary>While Redis is away, the requests with an id that were granted, and when (see <see cref="NamedGrant"/>).</summary>
    [Id(2)] public required KeyValuePair<string, long>[] Names { get; init; }

    /// <summary>The client's own policies, as far as they were known.</summary>
    [Id(3)] public required Dictionary<string, RateLimitPolicy> OwnPolicies { get; init; }

    public bool IsEmpty => Logs.Length + Names.Length + OwnPolicies.Count == 0;

    /// <summary>For how long any of it counts.</summary>
    public TimeSpan Longest => Logs.SelectMany(log => log.Policy.Windows).Select(window => window.Duration).Append(RateLimits.RequestIdMemory).Max();

    /// <summary>The memory it takes, roughly.</summary>
    public long Bytes => 1024 + Logs.Sum(log => 512 + log.Bytes) + Names.Sum(name => 40 + (sizeof(char) * name.Key.Length));
}

/// <summary>The part of one policy.</summary>
[GenerateSerializer, Alias("Actors.LogHandoff")]
internal sealed class LogHandoff
{
    [Id(0)] public required RateLimitPolicy Policy { get; init; }

    /// <summary>The grants that count, oldest first: time, permits, ….</summary>
    [Id(1)] public required long[] Grants { get; init; }

    /// <summary>Names that Redis is to note, and when they were granted.</summary>
    [Id(2)] public required KeyValuePair<string, long>[] Noted { get; init; }

    /// <summary>Names that Redis is to forget.</summary>
    [Id(3)] public required string[] Forgotten { get; init; }

    /// <summary>The latest that the clock of Redis may have shown when this was made.</summary>
    [Id(4)] public required long Time { get; init; }

    /// <summary>False where that clock was a guess: its times mean something only beside <see cref="Time"/>.</summary>
    [Id(5)] public required bool IsTimeKnown { get; init; }

    public bool IsEmpty => Grants.Length + Noted.Length + Forgotten.Length == 0;

    public long Bytes => (sizeof(long) * Grants.Length)
        + Noted.Sum(name => 40 + (sizeof(char) * name.Key.Length)) + Forgotten.Sum(name => 30 + (sizeof(char) * name.Length));
}

/// <summary>A limiter that takes over what an earlier activation could not write to Redis. Of the silos among themselves.</summary>
[Alias("Actors.ILimiterHeir")]
internal interface ILimiterHeir : IGrainWithStringKey
{
    [Alias("Inherit")]
    Task InheritAsync(LimiterHandoff handoff);
}
