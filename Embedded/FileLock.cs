namespace Actors.Embedded;

/// <summary>
/// A file held open exclusively. The operating system releases it when the holder ends, in whatever way. So a held lock proves
/// a live process. A process id in a file does not, because ids are reused.
/// </summary>
internal sealed class FileLock : IDisposable
{
    private readonly FileStream _stream;

    private FileLock(FileStream stream) => _stream = stream;

    /// <summary>Takes the lock; null if another process holds it.</summary>
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

    // The file stays. If it were deleted, two processes could hold the lock: one on the deleted file and one on a new file.
    public void Dispose() => _stream.Dispose();
}
