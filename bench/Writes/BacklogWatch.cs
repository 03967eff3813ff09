using System.Globalization;
using Actors.WriteBehind;

namespace Actors.Bench.Writes;

/// <summary>Checks during a turn that the flush keeps up with the writes.</summary>
internal sealed class BacklogWatch : IAsyncDisposable
{
    /// <summary>How much longer than the flush interval the oldest unflushed row may wait: one or two batches.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private readonly WriteBehindTable _table;
    private readonly PeriodicTimer _timer = new(TimeSpan.FromMilliseconds(100));
    private readonly Task _watching;
    private TimeSpan _oldest;

    public BacklogWatch(WriteBehindTable table)
    {
        _table = table;
        _watching = WatchAsync();
    }

    /// <summary>A message if the flush fell behind, or null.</summary>
    public string? Doubt => DoubtOf(_oldest, _table.Options.FlushInterval);

    /// <summary>A message if rows waited for longer than a flush that keeps up takes, or null.</summary>
    public static string? DoubtOf(TimeSpan oldest, TimeSpan flushInterval) => oldest <= flushInterval + Grace
        ? null
        : string.Create(CultureInfo.InvariantCulture, $"the flush did not keep up: rows waited up to {oldest.TotalSeconds:0.0} s");

    public async ValueTask DisposeAsync()
    {
        _timer.Dispose();
        await _watching;
    }

    private async Task WatchAsync()
    {
        while (await _timer.WaitForNextTickAsync())
        {
            var oldest = _table.Backlog.Oldest;
            if (oldest > _oldest) _oldest = oldest;
        }
    }
}
