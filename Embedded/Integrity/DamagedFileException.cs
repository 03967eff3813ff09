namespace Actors.Embedded.Integrity;

/// <summary>A file of the data directory does not hold what was written to it.</summary>
/// <param name="path">The file.</param>
/// <param name="what">What is wrong with it, e.g. "is missing".</param>
internal sealed class DamagedFileException(string path, string what) : Exception($"{path} {what}")
{
    /// <summary>What has to be moved aside to start without it; empty for all of the part it belongs to.</summary>
    public IReadOnlyList<string> Affected { get; init; } = [];
}
