namespace Actors;

/// <summary>The changes to a user; null properties leave it unchanged. Sizes: <see cref="UserLimits"/>.</summary>
[GenerateSerializer, Immutable, Alias("Actors.UserPatch")]
public sealed record UserPatch
{
    /// <summary>The new display name; an empty string removes it.</summary>
    [Id(0)] public string? DisplayName { get; init; }

    /// <summary>The new e-mail address; an empty string removes it.</summary>
    [Id(1)] public string? Email { get; init; }

    /// <summary>Attributes to set by name; a null value removes that attribute.</summary>
    [Id(2)] public Dictionary<string, string?>? Attributes { get; init; }

    /// <summary>Amounts to add to counters by name (negative to subtract); a missing counter starts at 0.</summary>
    [Id(3)] public Dictionary<string, long>? Increment { get; init; }

    /// <summary>Tags to add; existing ones are ignored.</summary>
    [Id(4)] public HashSet<string>? AddTags { get; init; }

    /// <summary>Tags to remove, after <see cref="AddTags"/> was applied; missing ones are ignored.</summary>
    [Id(5)] public HashSet<string>? RemoveTags { get; init; }
}
