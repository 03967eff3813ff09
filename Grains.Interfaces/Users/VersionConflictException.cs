namespace Actors;

/// <summary>The user is not at the version the writer expected; nothing was changed.</summary>
[GenerateSerializer, Alias("Actors.VersionConflictException")]
public sealed class VersionConflictException(string userId, long expectedVersion, long currentVersion)
    : ActorsException($"User {WellFormedText.Quote(userId)} is at version {currentVersion}, not at the expected version {expectedVersion}.")
{
    /// <summary>The version the writer expected.</summary>
    [Id(0)] public long ExpectedVersion { get; } = expectedVersion;

    /// <summary>The current version of the user; 0 if there is no such user.</summary>
    [Id(1)] public long CurrentVersion { get; } = currentVersion;
}
