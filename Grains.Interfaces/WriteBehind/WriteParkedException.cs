namespace Actors;

/// <summary>
/// The database refused the user for what it holds, and the caller waited for the database. The write stands all the same:
/// it was accepted, it is what readers see, and it is durable, as a parked row beside the table. Do not repeat it.
/// An operator can have it written once the cause is mended: <see cref="IWriteBehindGrain.ReplayAsync"/>. A later write
/// that the database takes makes it obsolete.
/// </summary>
[GenerateSerializer, Alias("Actors.WriteParkedException")]
public sealed class WriteParkedException(string userId, long version, string reason)
    : ActorsException($"Version {version} of user {WellFormedText.Quote(userId)} stands, but the database refused it, so it was parked: {PrintableText.Of(reason)}")
{
    /// <summary>The version that was waited for; the parked row is of this one, or of a later one that holds it.</summary>
    [Id(0)] public long Version { get; } = version;

    /// <summary>What the database said.</summary>
    [Id(1)] public string Reason { get; } = reason;
}
