namespace Actors.WriteBehind;

/// <summary>A script of a migration failed, or what comes before the scripts. Never leaves the store.</summary>
internal sealed class MigrationFailedException(string? script, Exception error) : Exception(error.Message, error)
{
    /// <summary>The script; null if it failed before the first.</summary>
    public string? Script { get; } = script;
}
