namespace Actors;

/// <summary>
/// The database refused the content of the user, and the caller waited for the database. The write stands nevertheless: it is
/// accepted, visible to readers, and durable as a parked row beside the table. Do not repeat it. Once the cause is fixed, an
/// operator can write it to the table: <see cref="IWriteBehindGrain.ReplayAsync"/>. A later write that the database accepts makes
/// it obsolete.
/// </summary>
[GenerateSerializer, Alias("Actors.WriteParkedException")]
public sealed class WriteParkedException(string userId, long version, string reason)
    : ActorsException($"Version {version} of user {WellFormedText.Quote(userId)} stands, but the database refused it, so it was parked: {PrintableText.Of(reason)}")
{
    /// <summary>The version that was waited for. The parked row has this version or a later one that includes it.</summary>
    [Id(0)] public long Version { get; } = version;

    /// <summary>The database's message.</summary>
    [Id(1)] public string Reason { get; } = reason;
}
