namespace Actors.Cli.Import;

/// <summary>The progress of a file: everything up to a line is done, without gaps.</summary>
/// <param name="Line">Every record up to this line is done; 0 if none is.</param>
/// <param name="Imported">The number of imported records.</param>
/// <param name="Skipped">The number of bad records.</param>
internal readonly record struct DoneThrough(long Line, long Imported, long Skipped);

/// <summary>
/// Records start in file order and end in any order. This tracks the line up to which all have ended, where an interrupted
/// import resumes. Thread-safe.
/// </summary>
internal sealed class ContiguousLines(DoneThrough start)
{
    private readonly Lock _gate = new();
    private readonly Queue<Entry> _begun = new();
    private DoneThrough _done = start;

    /// <summary>The line up to which all records are done.</summary>
    public DoneThrough Done
    {
        get
        {
            lock (_gate)
                return _done;
        }
    }

    /// <summary>Records the start of work on a record.</summary>
    /// <param name="line">The line it starts on; later than that of any earlier record.</param>
    /// <returns>A handle that ends the work.</returns>
    public Entry Begin(long line)
    {
        var entry = new Entry(line);
        lock (_gate)
            _begun.Enqueue(entry);
        return entry;
    }

    public void Imported(Entry entry) => End(entry, Outcome.Imported);

    public void Skipped(Entry entry) => End(entry, Outcome.Skipped);

    private void End(Entry entry, Outcome outcome)
    {
        lock (_gate)
        {
            entry.Outcome = outcome;
            while (_begun.TryPeek(out var first) && first.Outcome != Outcome.Pending)
            {
                _begun.Dequeue();
                _done = first.Outcome == Outcome.Imported
                    ? _done with { Line = first.Line, Imported = _done.Imported + 1 }
                    : _done with { Line = first.Line, Skipped = _done.Skipped + 1 };
            }
        }
    }

    internal enum Outcome
    {
        Pending,
        Imported,
        Skipped,
    }

    /// <summary>A record in progress.</summary>
    internal sealed class Entry(long line)
    {
        public long Line { get; } = line;

        public Outcome Outcome { get; set; }
    }
}
