namespace Actors.Embedded;

/// <summary>
/// A file held open for oneself. The operating system lets go of it when the holder ends, however it ends, so that a
/// held lock proves a living process, which a process id in a file does not: ids are given out again.
/// </summary>
internal sealed class FileLock : IDisposable
{
    private readonly FileStream _stream;

    private FileLock(FileStream stream) => _stream = stream;

    /// <summary>The lock, or null where another holds it.</summary>
    public static FileLock? TryTake(string path)
    {
        try
        {
            return new FileLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException)
            && File.Exists(path))
        {
            return null;
        }
    }

    /// <summary>Waits for the lock.</summary>
    public static async Task<FileLock> TakeAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            if (TryTake(path) is { } taken)
                return taken;
            await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken);
        }
    }

    // The file stays: deleting it would let two hold "the" lock, one on the deleted file and one on its successor.
    public void Dispose() => _stream.Dispose();
}
