namespace Actors.WriteBehind;

/// <summary>
/// The rules of backpressure; no state, no clock. A state is entered at its share of the ceiling and left an eighth of the
/// ceiling below it. The hysteresis avoids flapping.
/// </summary>
internal static class Backpressure
{
    /// <summary>The maximum delay of a write, applied when the ceiling is almost reached.</summary>
    public static readonly TimeSpan MaxDelay = TimeSpan.FromMilliseconds(100);

    /// <summary>The maximum time a journaled write waits for its commit while writes go through.</summary>
    public static readonly TimeSpan MaxThrough = TimeSpan.FromSeconds(1);

    /// <summary>The state that follows <paramref name="current"/>.</summary>
    /// <param name="current">The current state.</param>
    /// <param name="used">The bytes in use.</param>
    /// <param name="ceiling">The maximum bytes.</param>
    /// <param name="isTaking">True while the database accepts rows; otherwise waiting for a commit is useless.</param>
    public static WriteBehindState Next(WriteBehindState current, long used, long ceiling, bool isTaking)
    {
        for (var state = WriteBehindState.Refusing; state > WriteBehindState.Buffering; state--)
        {
            if (state == WriteBehindState.WritingThrough && !isTaking) continue;
            if (used >= (state <= current ? LeftBelow(state, ceiling) : EnteredAt(state, ceiling))) return state;
        }

        return WriteBehindState.Buffering;
    }

    /// <summary>The bytes at which <paramref name="state"/> is entered.</summary>
    public static long EnteredAt(WriteBehindState state, long ceiling) => state switch
    {
        WriteBehindState.Slowing => ceiling / 2,
        WriteBehindState.WritingThrough => ceiling - (ceiling / 4),
        WriteBehindState.Refusing => ceiling,
        _ => 0,
    };

    /// <summary>The bytes below which <paramref name="state"/> is left.</summary>
    public static long LeftBelow(WriteBehindState state, long ceiling) => Math.Max(EnteredAt(state, ceiling) - (ceiling / 8), 0);

    /// <summary>The delay of a write: none up to half of the ceiling, then growing in proportion up to <see cref="MaxDelay"/>.</summary>
    public static TimeSpan DelayAt(long used, long ceiling)
    {
        var half = ceiling / 2;
        return MaxDelay * Math.Clamp((double)(used - half) / (ceiling - half), 0, 1);
    }
}
