using Microsoft.Extensions.Logging;

namespace Actors;

/// <summary>
/// Whether the whole cluster is silent, as far as this process can tell: a call was overdue, and nobody was answered since
/// it began. Then clients that were not asked for yet need not find out by waiting, one by one.
/// </summary>
internal sealed partial class Outage(TimeProvider time, ILogger logger)
{
    // So many clients ask meanwhile whether it is over.
    private const int MaxProbed = 8;

    // Guards the fields below; held for a few field accesses.
    private readonly Lock _gate = new();
    private long _lastAnswer = long.MinValue;
    private int _silentClients;

    // Written under the lock, read without: an old value costs one caller its wait, or lets it off.
    private volatile bool _isTotal;

    public bool IsTotal => _isTotal;

    /// <summary>True while too few clients ask whether it is over.</summary>
    public bool NeedsProbe
    {
        get
        {
            lock (_gate) return _isTotal && _silentClients < MaxProbed;
        }
    }

    /// <summary>A client was answered.</summary>
    public void Answered()
    {
        lock (_gate)
        {
            _lastAnswer = time.GetTimestamp();
            _isTotal = false;
        }
    }

    /// <summary>A client is not answered any more; <see cref="End"/> follows.</summary>
    /// <param name="clientId">The client.</param>
    /// <param name="since">When the call began that was not answered.</param>
    /// <param name="error">Why not.</param>
    public void Begin(string clientId, long since, Exception error)
    {
        bool isFirst, isTotalNow;
        lock (_gate)
        {
            isFirst = _silentClients++ == 0;
            isTotalNow = !_isTotal && _lastAnswer < since;
            if (isTotalNow) _isTotal = true;
        }

        if (isTotalNow) LogSilent(error);
        else if (isFirst) LogClientSilent(WellFormedText.Quote(clientId), error);
    }

    /// <summary>A client is answered again, or nobody asks for it any more.</summary>
    public void End()
    {
        bool isLast;
        lock (_gate)
        {
            // Without anyone to notice the end of it, it has ended.
            isLast = --_silentClients == 0;
            if (isLast) _isTotal = false;
        }

        if (isLast) LogOver();
    }

    [LoggerMessage(LogLevel.Warning, "The cluster answers no limiter calls; until it does, WhenUnreachable decides for all clients")]
    private partial void LogSilent(Exception error);

    [LoggerMessage(
        LogLevel.Warning,
        "The limiter of client {Client} does not answer while others do; with WhenUnreachable.Allow such clients are held to the last known limits")]
    private partial void LogClientSilent(string client, Exception error);

    [LoggerMessage(LogLevel.Information, "Limits are decided by the cluster again, for all clients that are asked for")]
    private partial void LogOver();
}
