namespace Actors.WriteBehind;

/// <summary>
/// The silo's budget of unflushed bytes. Any thread adds to it; it is one interlocked counter. Admission and enqueueing
/// are two steps, so the budget may be overrun by the writes in between, which are as many as there are calls at once.
/// </summary>
internal sealed class UnflushedBytes(WriteBehindOptions options)
{
    private long _bytes;

    public long Current => Volatile.Read(ref _bytes);

    /// <summary>True from half of the budget on: rows are flushed at once instead of waiting for others.</summary>
    public bool IsHigh => Current >= options.MaxUnflushedBytes / 2;

    public void Add(long bytes) => Interlocked.Add(ref _bytes, bytes);

    /// <summary>Refuses a write where the budget is spent.</summary>
    /// <exception cref="OverloadedException">The budget is spent.</exception>
    public void Admit()
    {
        var current = Current;
        if (current < options.MaxUnflushedBytes) return;
        throw new OverloadedException(
            $"{current:N0} bytes wait to be written to the database, and {options.MaxUnflushedBytes:N0} are allowed"
            + $" ({WriteBehindOptions.Section}:{nameof(options.MaxUnflushedBytes)}). Nothing was changed; try again later.",
            options.FlushInterval);
    }
}
