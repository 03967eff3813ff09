namespace Actors.RateLimiting;

/// <summary>
/// State of an activation that the next one cannot read from Redis: grants made without Redis and, while Redis is unreachable,
/// everything else that counts. Times are microseconds on the Redis clock.
/// </summary>
[GenerateSerializer, Alias("Actors.LimiterHandoff")]
internal sealed class LimiterHandoff
{
    /// <summary>The activation that made this handoff, and those whose handoffs it had merged. None is merged twice.</summary>
    [Id(0)] public required string[] Origins { get; init; }

    [Id(1)] public required LogHandoff[] Logs { get; init; }

    /// <summary>
    /// The granted requests with an id and their times, while Redis is unreachable (see <see cref="NamedGrant"/>).
    /// </summary>
    [Id(2)] public required KeyValuePair<string, long>[] Names { get; init; }

    /// <summary>The client's own policies, as far as they are known.</summary>
    [Id(3)] public required Dictionary<string, RateLimitPolicy> OwnPolicies { get; init; }

    public bool IsEmpty => Logs.Length + Names.Length + OwnPolicies.Count == 0;

    /// <summary>How long any part of it counts.</summary>
    public TimeSpan Longest => Logs.SelectMany(log => log.Policy.Windows).Select(window => window.Duration).Append(RateLimits.RequestIdMemory).Max();

    /// <summary>Its approximate memory.</summary>
    public long Bytes => 1024 + Logs.Sum(log => 512 + log.Bytes) + Names.Sum(name => 40 + (sizeof(char) * name.Key.Length));
}

/// <summary>The part of one policy.</summary>
[GenerateSerializer, Alias("Actors.LogHandoff")]
internal sealed class LogHandoff
{
    [Id(0)] public required RateLimitPolicy Policy { get; init; }

    /// <summary>The grants that count, oldest first: time, permits, ….</summary>
    [Id(1)] public required long[] Grants { get; init; }

    /// <summary>Names to note in Redis, with the times of their grants.</summary>
    [Id(2)] public required KeyValuePair<string, long>[] Noted { get; init; }

    /// <summary>Names that Redis must forget.</summary>
    [Id(3)] public required string[] Forgotten { get; init; }

    /// <summary>The latest possible Redis time when this was made.</summary>
    [Id(4)] public required long Time { get; init; }

    /// <summary>False if that clock was a guess: its times are meaningful only relative to <see cref="Time"/>.</summary>
    [Id(5)] public required bool IsTimeKnown { get; init; }

    public bool IsEmpty => Grants.Length + Noted.Length + Forgotten.Length == 0;

    public long Bytes => (sizeof(long) * Grants.Length)
        + Noted.Sum(name => 40 + (sizeof(char) * name.Key.Length)) + Forgotten.Sum(name => 30 + (sizeof(char) * name.Length));
}

/// <summary>A limiter that takes over what an earlier activation could not write to Redis. Called by silos only.</summary>
[Alias("Actors.ILimiterHeir")]
internal interface ILimiterHeir : IGrainWithStringKey
{
    [Alias("Inherit")]
    Task InheritAsync(LimiterHandoff handoff);
}
