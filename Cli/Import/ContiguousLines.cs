namespace Actors.Cli.Import;

/// <summary>How far a file is done without a gap.</summary>
/// <param name="Line">Every record up to this line is done; 0 where none is.</param>
/// <param name="Imported">How many of them were imported.</param>
/// <param name="Skipped">How many of them were bad.</param>
internal readonly record struct DoneThrough(long Line, long Imported, long Skipped);

/// <summary>
/// Records are begun in the order of the file and end in any order; this knows up to where all of them have ended, which is
/// where an interrupted import has to go on. Safe for concurrent use.
/// </summary>
internal sealed class ContiguousLines(DoneThrough start)
{
    private readonly Lock _gate = new();
    private readonly Queue<Entry> _begun = new();
    private DoneThrough _done = start;

    /// <summary>Up to where all is done.</summary>
    public DoneThrough Done
    {
        get
        {
            lock (_gate)
                return _done;
        }
    }

    /// <summary>Notes that work on a record begins.</summary>
    /// <param name="line">The line it starts on; later than that of any record before.</param>
    /// <returns>What to end it with.</returns>
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

    /// <summary>A record that work has begun on.</summary>
    internal sealed class Entry(long line)
    {
        public long Line { get; } = line;

        public Outcome Outcome { get; set; }
    }
}
