namespace Actors.Embedded.Integrity;

/// <summary>A file of the data directory does not contain what was written to it.</summary>
/// <param name="path">The file.</param>
/// <param name="what">The problem, e.g. "is missing".</param>
internal sealed class DamagedFileException(string path, string what) : Exception($"{path} {what}")
{
    /// <summary>The files to move aside to start without them; empty for all files of the part.</summary>
    public IReadOnlyList<string> Affected { get; init; } = [];
}
