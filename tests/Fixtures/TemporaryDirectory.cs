namespace Actors.Fixtures;

/// <summary>A directory under the system's temporary one, deleted with this object.</summary>
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

    /// <summary>The path of something in it.</summary>
    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Deletes all that is in it.</summary>
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
        // A killed server's children may still be writing; a directory left over in the temporary one is no failure.
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
