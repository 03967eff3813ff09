namespace Actors.WriteBehind;

/// <summary>
/// The rules by which writers are held back; no state, no clock. A state is entered at its share of the ceiling and left
/// again an eighth of the ceiling below that, so that what hovers about a bound does not go to and fro.
/// </summary>
internal static class Backpressure
{
    /// <summary>How long a write is held back at most: where the ceiling is all but reached.</summary>
    public static readonly TimeSpan MaxDelay = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a journaled write waits for its commit at most, while it is written through.</summary>
    public static readonly TimeSpan MaxThrough = TimeSpan.FromSeconds(1);

    /// <summary>The state that follows <paramref name="current"/>.</summary>
    /// <param name="current">The state so far.</param>
    /// <param name="used">The bytes in use.</param>
    /// <param name="ceiling">The bytes there are.</param>
    /// <param name="isTaking">True while the database takes rows; there is nothing to wait for otherwise.</param>
    public static WriteBehindState Next(WriteBehindState current, long used, long ceiling, bool isTaking)
    {
        for (var state = WriteBehindState.Refusing; state > WriteBehindState.Buffering; state--)
        {
            if (state == WriteBehindState.WritingThrough && !isTaking) continue;
            if (used >= (state <= current ? LeftBelow(state, ceiling) : EnteredAt(state, ceiling))) return state;
        }

        return WriteBehindState.Buffering;
    }

    /// <summary>The bytes from which on <paramref name="state"/> is entered.</summary>
    public static long EnteredAt(WriteBehindState state, long ceiling) => state switch
    {
        WriteBehindState.Slowing => ceiling / 2,
        WriteBehindState.WritingThrough => ceiling - (ceiling / 4),
        WriteBehindState.Refusing => ceiling,
        _ => 0,
    };

    /// <summary>The bytes below which <paramref name="state"/> is left.</summary>
    public static long LeftBelow(WriteBehindState state, long ceiling) => Math.Max(EnteredAt(state, ceiling) - (ceiling / 8), 0);

    /// <summary>How long a write is held back: nothing up to half of the ceiling, from there in proportion to <see cref="MaxDelay"/>.</summary>
    public static TimeSpan DelayAt(long used, long ceiling)
    {
        var half = ceiling / 2;
        return MaxDelay * Math.Clamp((double)(used - half) / (ceiling - half), 0, 1);
    }
}
