using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// The number of rows in the journal, over all silos. A caller gets the last figure at once; if it is stale, a refresh starts in
/// the background. So callers never wait for Redis, and Redis is queried only on demand.
/// </summary>
internal sealed partial class JournalSize(RedisGateway redis, TimeProvider clock, ILogger<JournalSize> logger)
{
    private const string Length = "return redis.call('HLEN', KEYS[1])";
    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(5);

    // Guards the fields below; held for a few field accesses.
    private readonly Lock _gate = new();
    private long? _rows;
    private long _asked = long.MinValue;
    private Task _asking = Task.CompletedTask;

    /// <summary>The last figure; null if there is none yet, or if the last query failed.</summary>
    public long? Rows
    {
        get
        {
            lock (_gate)
            {
                if (_asking.IsCompleted && (_asked == long.MinValue || clock.GetElapsedTime(_asked) >= MaxAge))
                {
                    _asked = clock.GetTimestamp();

                    // Failures are handled inside: they make the figure unknown.
                    _asking = Task.Run(AskAsync);
                }

                return _rows;
            }
        }
    }

    private async Task AskAsync()
    {
        long? rows = null;
        try
        {
            var lengths = await Task.WhenAll(Enumerable.Range(0, Partition.Count).Select(partition => redis.EvaluateAsync(
                RedisRole.Journal, Length, [$"{redis.KeyPrefix}:journal:{Partition.Tag(partition)}:rows"], [])));
            rows = lengths.Sum(length => (long)length);
        }
        catch (Exception error)
        {
            LogUnknown(logger, error.Message);
        }

        lock (_gate) _rows = rows;
    }

    [LoggerMessage(EventId = 1513, Level = LogLevel.Debug, Message = "The size of the journal is unknown: {Reason}")]
    private static partial void LogUnknown(ILogger logger, string reason);
}
