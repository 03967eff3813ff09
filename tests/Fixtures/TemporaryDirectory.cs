namespace Actors.Fixtures;

/// <summary>A temporary directory, deleted when disposed.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    /// <summary>Creates it.</summary>
    /// <param name="purpose">Part of its name, for people who look there.</param>
    public TemporaryDirectory(string purpose = "test")
    {
        Path = Directory.CreateTempSubdirectory($"actors-{purpose}-").FullName;
    }

    /// <summary>Its absolute path.</summary>
    public string Path { get; }

    /// <summary>The path of an entry.</summary>
    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Deletes its content.</summary>
    public void Clear()
    {
        foreach (var entry in new DirectoryInfo(Path).GetFileSystemInfos())
        {
            if (entry is DirectoryInfo directory)
                directory.Delete(recursive: true);
            else
                entry.Delete();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The children of a killed server may still write; a leftover temporary directory is not a failure.
        for (var attempt = 0; attempt < 5; attempt++)
        {
            try
            {
                Directory.Delete(Path, recursive: true);
                return;
            }
            catch (DirectoryNotFoundException)
            {
                return;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Thread.Sleep(50);
            }
        }
    }
}
