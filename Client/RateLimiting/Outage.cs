using Microsoft.Extensions.Logging;

namespace Actors;

/// <summary>
/// Tracks whether the whole cluster is silent, as far as this process can tell: a call timed out, and no call was answered since it
/// began. Then further clients need not each wait for a timeout.
/// </summary>
internal sealed partial class Outage(TimeProvider time, ILogger logger)
{
    // The number of clients that probe for the end of an outage.
    private const int MaxProbed = 8;

    // Guards the fields below; held for a few field accesses.
    private readonly Lock _gate = new();
    private long _lastAnswer = long.MinValue;
    private int _silentClients;

    // Written under the lock, read without: a stale value costs one caller its wait, or spares it.
    private volatile bool _isTotal;

    public bool IsTotal => _isTotal;

    /// <summary>True while too few clients probe for the end of the outage.</summary>
    public bool NeedsProbe
    {
        get
        {
            lock (_gate) return _isTotal && _silentClients < MaxProbed;
        }
    }

    /// <summary>Records that a client was answered.</summary>
    public void Answered()
    {
        lock (_gate)
        {
            _lastAnswer = time.GetTimestamp();
            _isTotal = false;
        }
    }

    /// <summary>Records that a client is no longer answered; <see cref="End"/> follows.</summary>
    /// <param name="clientId">The client.</param>
    /// <param name="since">When the unanswered call began.</param>
    /// <param name="error">The error of that call.</param>
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

    /// <summary>Records that a client is answered again, or no longer in use.</summary>
    public void End()
    {
        bool isLast;
        lock (_gate)
        {
            // Without probing clients the end would not be noticed, so the outage counts as over.
            isLast = --_silentClients == 0;
            if (isLast) _isTotal = false;
        }

        if (isLast) LogOver();
    }

    [LoggerMessage(7051, LogLevel.Warning, "The cluster does not answer limiter calls; until it does, WhenUnreachable decides for all clients")]
    private partial void LogSilent(Exception error);

    [LoggerMessage(
        7052, LogLevel.Warning,
        "The limiter of client {Client} does not answer while others do; with WhenUnreachable.Allow, the last known limits apply to such clients")]
    private partial void LogClientSilent(string client, Exception error);

    [LoggerMessage(7053, LogLevel.Information, "The cluster decides limits again, for all clients in use")]
    private partial void LogOver();
}
