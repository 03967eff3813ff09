namespace Actors.WriteBehind;

/// <summary>A migration script, or a step before the scripts, failed. Never leaves the store.</summary>
internal sealed class MigrationFailedException(string? script, Exception error) : Exception(error.Message, error)
{
    /// <summary>The script that failed; null if the migration failed before the first.</summary>
    public string? Script { get; } = script;
}
