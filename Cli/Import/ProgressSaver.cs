namespace Actors.Cli.Import;

/// <summary>Saves the progress file periodically while the import runs, and at its end.</summary>
internal sealed class ProgressSaver : IAsyncDisposable
{
    // After a kill, the lines since the last save are imported again. A file this small can be saved often.
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    private readonly ProgressFile _file;
    private readonly string _fingerprint;
    private readonly ContiguousLines _lines;
    private readonly CancellationTokenSource _end = new();
    private readonly Task _saving;
    private DoneThrough _saved;

    public ProgressSaver(ProgressFile file, string fingerprint, ContiguousLines lines, TimeProvider time)
    {
        (_file, _fingerprint, _lines) = (file, fingerprint, lines);
        // Saved before the first user is written, so that an unwritable directory fails early.
        Save(lines.Done);
        _saving = SaveAsync(new PeriodicTimer(Period, time));
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _saving;
        SaveIfMoved();
        _end.Dispose();
    }

    private async Task SaveAsync(PeriodicTimer timer)
    {
        using (timer)
        {
            try
            {
                while (await timer.WaitForNextTickAsync(_end.Token))
                    SaveIfMoved();
            }
            catch (OperationCanceledException)
            {
                // The import has ended.
            }
        }
    }

    private void SaveIfMoved()
    {
        var done = _lines.Done;
        if (done != _saved)
            Save(done);
    }

    private void Save(DoneThrough done)
    {
        _file.Write(new(_fingerprint, done.Line, done.Imported, done.Skipped, false));
        _saved = done;
    }
}
