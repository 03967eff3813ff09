using Microsoft.Extensions.Logging;

namespace Actors.Core;

/// <summary>How full the managed heap is.</summary>
internal enum HeapLevel
{
    /// <summary>There is room.</summary>
    Normal,

    /// <summary>Nothing new should be loaded into memory.</summary>
    High,

    /// <summary>Nothing should be accepted that takes memory.</summary>
    Critical,
}

/// <summary>
/// The second line behind the memory budgets: they count what they know of, and this looks at what the garbage collector
/// could not free. One loop looks, any thread reads the level.
/// </summary>
internal sealed partial class HeapPressure(TimeProvider clock, ILogger<HeapPressure> logger, Func<(long Live, long Limit)>? read = null)
{
    private const double High = 0.80;
    private const double Critical = 0.90;

    // Hysteresis: a level is left below where it was entered.
    private const double Margin = 0.05;

    private static readonly TimeSpan CollectEvery = TimeSpan.FromSeconds(5);

    private readonly Func<(long Live, long Limit)> _read = read ?? Read;

    // Written by the one loop that looks, read by any thread.
    private volatile HeapLevel _level;

    // Touched by that loop only.
    private long? _collected;

    /// <summary>The level as of the last look.</summary>
    public HeapLevel Level => _level;

    /// <summary>Looks at the heap as the last collection left it.</summary>
    public void Look()
    {
        var (live, limit) = _read();
        var (from, to) = (_level, Next(limit <= 0 ? 0 : (double)live / limit));
        _level = to;
        if (to != from) Log(logger, to > from ? LogLevel.Warning : LogLevel.Information, from, to, live, limit);
        if (to == HeapLevel.Normal || (_collected is { } last && clock.GetElapsedTime(last) < CollectEvery)) return;

        // The figures are those of the last collection. Without another one they would stay as they are on a silo that
        // refuses everything, and so hardly allocates.
        _collected = clock.GetTimestamp();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
    }

    private HeapLevel Next(double share) =>
        share >= Critical || (_level == HeapLevel.Critical && share >= Critical - Margin) ? HeapLevel.Critical
        : share >= High || (_level >= HeapLevel.High && share >= High - Margin) ? HeapLevel.High
        : HeapLevel.Normal;

    private static (long Live, long Limit) Read()
    {
        var heap = GC.GetGCMemoryInfo(GCKind.Any);
        return (heap.HeapSizeBytes - heap.FragmentedBytes, heap.TotalAvailableMemoryBytes);
    }

    [LoggerMessage(Message =
        "Heap {From} -> {To}: {Live} of {Limit} bytes in use. While High, users that are not in memory are refused; while Critical, all writes")]
    private static partial void Log(ILogger logger, LogLevel level, HeapLevel from, HeapLevel to, long live, long limit);
}
