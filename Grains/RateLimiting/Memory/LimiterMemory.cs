namespace Actors.RateLimiting;

/// <summary>The memory of one limiter, as its host counts it.</summary>
/// <remarks>Belongs to one grain, whose turns run one at a time.</remarks>
internal sealed class LimiterMemory(LogCopy log, WaitingLine line, ILimiterHost host)
{
    // Approximate memory of a limiter beside its log and the client's id.
    private const int OwnBytes = 2048;

    // Each key in Redis is a string of its own that contains the id.
    private const int IdCopies = 2;

    private long _counted;

    /// <summary>Reports the change since the last time.</summary>
    public void Count()
    {
        var bytes = OwnBytes + (IdCopies * sizeof(char) * log.Client.Length) + log.Bytes + line.Bytes;
        if (bytes == _counted) return;
        host.AddBytes(bytes - _counted);
        _counted = bytes;
    }

    /// <summary>The limiter has ended. Work that still runs reports only what changes from here on.</summary>
    public void Release() => host.AddBytes(-_counted);
}
