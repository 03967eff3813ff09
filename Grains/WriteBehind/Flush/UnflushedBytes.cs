using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// The silo's budget of unflushed bytes: what is queued, and what writes on their way to the queue have reserved. A write
/// reserves before it changes anything and gives back once the queue counts its row, so that no number of writes in flight
/// can overrun the ceiling. Any thread adds; the fields are interlocked counters.
/// </summary>
/// <remarks>
/// Rows that exist already are queued without a reservation, and may overrun it: those recovered, which wait while
/// <see cref="IsHigh"/>, so that they never do; and those found in the journal by a new owner of their key, which are
/// together no more than the silos that journaled them had room for.
/// </remarks>
internal sealed class UnflushedBytes(WriteBehindOptions options, PressureGauge pressure)
{
    private long _queued;

    // What is queued and what is reserved. A row that passes from one to the other is counted twice for a moment: never less
    // than there is.
    private long _held;

    /// <summary>The bytes in use. Above the ceiling only where rows were queued that nobody reserved room for.</summary>
    public long Current => InUse(Volatile.Read(ref _queued), Volatile.Read(ref _held));

    /// <summary>True from half of the budget on: rows are flushed at once instead of waiting for others.</summary>
    public bool IsHigh => Volatile.Read(ref _held) >= options.MaxUnflushedBytes / 2;

    /// <summary>True while a row could fit.</summary>
    public bool HasRoom => Volatile.Read(ref _held) + Row.Overhead <= options.MaxUnflushedBytes;

    /// <summary>What writers are to expect.</summary>
    public WriteBehindState State => pressure.Look(Current);

    /// <summary>How long a write is to be held back now.</summary>
    public TimeSpan Delay => Backpressure.DelayAt(Volatile.Read(ref _held), options.MaxUnflushedBytes);

    /// <summary>Counts what enters the queue, or leaves it.</summary>
    public void Add(long bytes)
    {
        pressure.Look(InUse(Interlocked.Add(ref _queued, bytes), Interlocked.Add(ref _held, bytes)));
    }

    /// <summary>Takes <paramref name="bytes"/> for a write on its way to the queue; false, and nothing taken, where they do not fit.</summary>
    public bool TryReserve(int bytes)
    {
        for (var held = Volatile.Read(ref _held); held + bytes <= options.MaxUnflushedBytes;)
        {
            var seen = Interlocked.CompareExchange(ref _held, held + bytes, held);
            if (seen == held)
            {
                pressure.Look(held + bytes);
                return true;
            }

            held = seen;
        }

        return false;
    }

    /// <summary>Gives back what <see cref="TryReserve"/> took.</summary>
    public void Release(int bytes) => pressure.Look(InUse(Volatile.Read(ref _queued), Interlocked.Add(ref _held, -bytes)));

    /// <summary>
    /// Notes that a write did not fit. That the ceiling is reached is the state from then on, unless it was the write that
    /// was so large.
    /// </summary>
    public void Refused()
    {
        var (held, ceiling) = (Volatile.Read(ref _held), options.MaxUnflushedBytes);
        pressure.Look(held < Backpressure.LeftBelow(WriteBehindState.Refusing, ceiling) ? held : ceiling);
    }

    // What was reserved is below the ceiling; beyond it is only what was counted twice, or queued without being reserved.
    private long InUse(long queued, long held) => Math.Max(queued, Math.Min(held, options.MaxUnflushedBytes));
}
