using Actors.Core;
using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// How many rows the journal holds, of all silos together. Whoever asks gets the last figure at once; where that has aged,
/// Redis is asked for a new one meanwhile. So nobody waits for Redis, and Redis is not asked where nobody wants to know.
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

    /// <summary>The last figure; null while there is none, or where Redis did not tell when it was asked last.</summary>
    public long? Rows
    {
        get
        {
            lock (_gate)
            {
                if (_asking.IsCompleted && (_asked == long.MinValue || clock.GetElapsedTime(_asked) >= MaxAge))
                {
                    _asked = clock.GetTimestamp();

                    // It owns its failures: what goes wrong makes the figure unknown.
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

    [LoggerMessage(Level = LogLevel.Debug, Message = "The size of the journal is not known: {Reason}")]
    private static partial void LogUnknown(ILogger logger, string reason);
}
