namespace Actors.Embedded.Integrity;

/// <summary>
/// A directory whose files have checksums in the subdirectory <c>sums</c>, one checksum file per file. A deliberate deletion is
/// recorded first, so a file that disappears otherwise is known to be missing.
/// </summary>
/// <param name="root">The directory.</param>
internal sealed class SummedDirectory(string root)
{
    private const string Extension = ".sums";

    private readonly string _root = Path.GetFullPath(root);

    /// <summary>The directory of the checksums.</summary>
    public string Sums => Path.Combine(_root, "sums");

    /// <summary>The path of the checksums of <paramref name="file"/>.</summary>
    public string SumsOf(string file) => Path.Combine(Sums, Path.GetRelativePath(_root, file) + Extension);

    /// <summary>True if the directory contains data.</summary>
    public bool HasData => Directory.Exists(_root) && Files().Any(file => new FileInfo(file).Length > 0);

    /// <summary>Compares all files with their checksums. Data from before checksums existed is accepted as it is.</summary>
    /// <exception cref="DamagedFileException">A file is missing, cut off or changed.</exception>
    public void Verify()
    {
        if (!Directory.Exists(Sums))
        {
            // Uses a temporary directory until all are complete, so an interrupted start begins again.
            var adopted = Path.Combine(_root, "sums.new");
            if (Directory.Exists(adopted)) Directory.Delete(adopted, recursive: true);
            Directory.CreateDirectory(adopted);
            foreach (var file in Files())
                SectorSums.Adopt(Path.Combine(adopted, Path.GetRelativePath(_root, file) + Extension), file);
            Directory.Move(adopted, Sums);
            return;
        }

        foreach (var sums in Directory.EnumerateFiles(Sums, "*" + Extension, SearchOption.AllDirectories).ToList())
        {
            var file = Path.Combine(_root, Path.GetRelativePath(Sums, sums)[..^Extension.Length]);
            try
            {
                if (SectorSums.IsRemoved(sums)) FinishRemoval(sums, file);
                else SectorSums.Verify(sums, file);
            }
            catch (Exception error) when ((error is DamagedFileException or FileNotFoundException) && IsGone(sums))
            {
                // A host that just stopped in this process was still deleting files it no longer needed.
            }
        }

        foreach (var file in Files().ToList())
        {
            // An empty file was just created when the process ended.
            if (new FileInfo(file) is { Exists: true, Length: > 0 } && !File.Exists(SumsOf(file)))
                throw new DamagedFileException(SumsOf(file), $"is missing, so {file} cannot be checked");
        }
    }

    /// <summary>Deletes a file deliberately.</summary>
    public void Remove(string file, Action remove)
    {
        var sums = SumsOf(file);
        if (File.Exists(sums)) SectorSums.MarkRemoved(sums);
        remove();
        if (!File.Exists(file)) File.Delete(sums);
    }

    /// <summary>Deletes a directory with all its files deliberately.</summary>
    public void RemoveDirectory(string directory, Action remove)
    {
        var sums = Path.Combine(Sums, Path.GetRelativePath(_root, directory));
        if (Directory.Exists(sums))
        {
            foreach (var file in Directory.EnumerateFiles(sums, "*" + Extension, SearchOption.AllDirectories)) SectorSums.MarkRemoved(file);
        }

        remove();
        if (!Directory.Exists(directory) && Directory.Exists(sums)) Directory.Delete(sums, recursive: true);
    }

    private static bool IsGone(string sums)
    {
        try
        {
            return SectorSums.IsRemoved(sums);
        }
        catch (FileNotFoundException)
        {
            return true;
        }
        catch (DamagedFileException)
        {
            return false;
        }
    }

    private void FinishRemoval(string sums, string file)
    {
        File.Delete(file);
        File.Delete(sums);

        // The remains of a checkpoint whose files are gone would be taken for a checkpoint.
        for (var directory = Path.GetDirectoryName(file)!;
             directory.Length > _root.Length && Directory.Exists(directory) && !Directory.EnumerateFileSystemEntries(directory).Any();
             directory = Path.GetDirectoryName(directory)!)
        {
            Directory.Delete(directory);
        }
    }

    private IEnumerable<string> Files() => Directory.EnumerateFiles(_root, "*", SearchOption.AllDirectories)
        .Where(file => !file.StartsWith(Sums, StringComparison.Ordinal));
}
