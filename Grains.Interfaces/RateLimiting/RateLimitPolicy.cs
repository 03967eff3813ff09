namespace Actors;

/// <summary>The limits of a client: one or several windows, judged together.</summary>
[GenerateSerializer, Immutable, Alias("Actors.RateLimitPolicy")]
public sealed record RateLimitPolicy
{
    /// <summary>The name: 1 to <see cref="RateLimits.MaxPolicyName"/> letters, digits, dots, dashes and underscores.</summary>
    [Id(0)] public required string Name { get; init; }

    /// <summary>1 to <see cref="RateLimits.MaxWindows"/> windows of different durations.</summary>
    [Id(1)] public required RateLimitWindow[] Windows { get; init; }

    /// <summary>The behavior while Redis is unavailable. Default: <see cref="RedisDownBehavior.Local"/>.</summary>
    [Id(2)] public RedisDownBehavior OnRedisDown { get; init; }

    /// <summary>True to decide and report but never deny, for testing a policy on real traffic. Default: false.</summary>
    [Id(3)] public bool IsShadow { get; init; }
}
