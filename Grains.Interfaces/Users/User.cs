namespace Actors;

/// <summary>A user as of one version. Immutable; change it with <see cref="IUserGrain.UpdateAsync"/>.</summary>
[GenerateSerializer, Immutable, Alias("Actors.User")]
public sealed record User
{
    /// <summary>The user's id, which is the key of its grain.</summary>
    [Id(0)] public required string Id { get; init; }

    /// <summary>Grows by one with every accepted change; 1 is the first.</summary>
    [Id(1)] public required long Version { get; init; }

    /// <summary>The name shown to others, or null.</summary>
    [Id(2)] public string? DisplayName { get; init; }

    /// <summary>The e-mail address, or null.</summary>
    [Id(3)] public string? Email { get; init; }

    /// <summary>Free attributes by name.</summary>
    [Id(4)] public IReadOnlyDictionary<string, string> Attributes { get; init; } = NoAttributes;

    /// <summary>Counters by name, changed by <see cref="UserPatch.Increment"/> only.</summary>
    [Id(5)] public IReadOnlyDictionary<string, long> Counters { get; init; } = NoCounters;

    /// <summary>The user's tags, unordered.</summary>
    [Id(6)] public IReadOnlySet<string> Tags { get; init; } = NoTags;

    /// <summary>When this user was created (or created again after a delete), UTC, to the millisecond.</summary>
    [Id(7)] public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When this version was made, UTC, to the millisecond.</summary>
    [Id(8)] public required DateTimeOffset UpdatedAt { get; init; }

    /// <summary>
    /// True if an acknowledged write may be missing. Either the silo that owned the user died while Redis is unavailable, so its
    /// journaled writes cannot be read now. Or the answering silo reaches neither Redis nor all other silos, so it may have been
    /// declared dead and the user taken over.
    /// </summary>
    [Id(9)] public bool IsPossiblyStale { get; init; }

    // Shared empty collections, so that a missing one costs nothing. Never written to.
    private static readonly Dictionary<string, string> NoAttributes = [];
    private static readonly Dictionary<string, long> NoCounters = [];
    private static readonly HashSet<string> NoTags = [];
}
