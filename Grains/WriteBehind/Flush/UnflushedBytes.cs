using Actors.Core;

namespace Actors.WriteBehind;

/// <summary>
/// The silo's budget of unflushed bytes: queued rows plus reservations of writes in flight. A write reserves before it changes
/// anything and releases once the queue counts its row, so no number of writes in flight can exceed the ceiling. Safe for any
/// thread: the fields are interlocked counters.
/// </summary>
/// <remarks>
/// Rows that exist already are queued without a reservation. Recovered rows wait while <see cref="IsHigh"/>, so they never
/// exceed the ceiling. Rows that a new owner finds in the journal may exceed it, but are together no more than the silos that
/// journaled them had room for.
/// </remarks>
internal sealed class UnflushedBytes(WriteBehindOptions options, PressureGauge pressure)
{
    private long _queued;

    // Queued plus reserved bytes. A row that moves from one to the other is briefly counted twice, never too little.
    private long _held;

    /// <summary>The bytes in use. Above the ceiling only if rows were queued without a reservation.</summary>
    public long Current => InUse(Volatile.Read(ref _queued), Volatile.Read(ref _held));

    /// <summary>True once half of the budget is used: rows are then flushed at once instead of waiting for others.</summary>
    public bool IsHigh => Volatile.Read(ref _held) >= options.MaxUnflushedBytes / 2;

    /// <summary>True while a row could fit.</summary>
    public bool HasRoom => Volatile.Read(ref _held) + Row.Overhead <= options.MaxUnflushedBytes;

    /// <summary>The current state of backpressure.</summary>
    public WriteBehindState State => pressure.Look(Current);

    /// <summary>How long to delay a write now.</summary>
    public TimeSpan Delay => Backpressure.DelayAt(Volatile.Read(ref _held), options.MaxUnflushedBytes);

    /// <summary>Counts bytes that enter the queue, or leave it if negative.</summary>
    public void Add(long bytes)
    {
        pressure.Look(InUse(Interlocked.Add(ref _queued, bytes), Interlocked.Add(ref _held, bytes)));
    }

    /// <summary>Reserves <paramref name="bytes"/> for a write on its way to the queue; false, and nothing reserved, if they do not fit.</summary>
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

    /// <summary>Releases what <see cref="TryReserve"/> reserved.</summary>
    public void Release(int bytes) => pressure.Look(InUse(Volatile.Read(ref _queued), Interlocked.Add(ref _held, -bytes)));

    /// <summary>
    /// Records that a write did not fit. The ceiling then counts as reached, unless the write was merely large.
    /// </summary>
    public void Refused()
    {
        var (held, ceiling) = (Volatile.Read(ref _held), options.MaxUnflushedBytes);
        pressure.Look(held < Backpressure.LeftBelow(WriteBehindState.Refusing, ceiling) ? held : ceiling);
    }

    // Reservations stay below the ceiling; any excess was counted twice or queued without a reservation.
    private long InUse(long queued, long held) => Math.Max(queued, Math.Min(held, options.MaxUnflushedBytes));
}
