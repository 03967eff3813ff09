using Microsoft.Extensions.Logging;

namespace Actors.Core;

/// <summary>How full the managed heap is.</summary>
internal enum HeapLevel
{
    /// <summary>There is room.</summary>
    Normal,

    /// <summary>Load nothing new into memory.</summary>
    High,

    /// <summary>Accept nothing that takes memory.</summary>
    Critical,
}

/// <summary>
/// The second safeguard behind the memory budgets. The budgets count what they know of; this class looks at the memory that the
/// garbage collector could not free. One loop measures, any thread reads the level.
/// </summary>
internal sealed partial class HeapPressure(TimeProvider clock, ILogger<HeapPressure> logger, Func<(long Live, long Limit)>? read = null)
{
    private const double High = 0.80;
    private const double Critical = 0.90;

    // Hysteresis: a level ends this far below the share at which it began.
    private const double Margin = 0.05;

    private static readonly TimeSpan CollectEvery = TimeSpan.FromSeconds(5);

    private readonly Func<(long Live, long Limit)> _read = read ?? Read;

    // Written by the measuring loop, read by any thread.
    private volatile HeapLevel _level;

    // Used by that loop only.
    private long? _collected;

    /// <summary>The level at the last measurement.</summary>
    public HeapLevel Level => _level;

    /// <summary>Measures the heap as the last collection left it.</summary>
    public void Look()
    {
        var (live, limit) = _read();
        var (from, to) = (_level, Next(limit <= 0 ? 0 : (double)live / limit));
        _level = to;
        if (to != from) Log(logger, to > from ? LogLevel.Warning : LogLevel.Information, from, to, live, limit);
        if (to == HeapLevel.Normal || (_collected is { } last && clock.GetElapsedTime(last) < CollectEvery)) return;

        // The figures come from the last collection. A silo that refuses everything hardly allocates, so without a forced
        // collection they would never change.
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

    [LoggerMessage(EventId = 1003, Message =
        "Heap {From} -> {To}: {Live} of {Limit} bytes in use. While High, users that are not in memory are refused; while Critical, all writes")]
    private static partial void Log(ILogger logger, LogLevel level, HeapLevel from, HeapLevel to, long live, long limit);
}
