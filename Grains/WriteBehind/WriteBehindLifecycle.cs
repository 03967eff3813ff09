using System.Diagnostics;
using Actors.Redis;
using Microsoft.Extensions.Logging;

namespace Actors.WriteBehind;

/// <summary>
/// Ties write-behind to the silo's lifecycle. Redis is connected, the schema is current and flushing runs before the first grain
/// starts; the queue is drained after the last grain has stopped.
/// </summary>
internal sealed partial class WriteBehindLifecycle(
    IRowStore store, RedisGateway redis, WriteBehindTable table, ILogger<WriteBehindLifecycle> logger)
    : ILifecycleParticipant<ISiloLifecycle>
{
    public void Participate(ISiloLifecycle observer) => observer.Subscribe(
        nameof(WriteBehindLifecycle), ServiceLifecycleStage.RuntimeStorageServices, StartAsync, StopAsync);

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        await redis.ConnectAsync();
        await store.MigrateAsync(cancellationToken);
        table.Start();
    }

    private async Task StopAsync(CancellationToken cancellationToken)
    {
        var (rows, _, _) = table.Backlog;
        var watch = Stopwatch.StartNew();
        var left = await table.DrainAsync(cancellationToken);
        if (left == 0) LogDrained(logger, rows, store.Description, watch.Elapsed);
        else LogLeft(logger, left, watch.Elapsed);
    }

    [LoggerMessage(EventId = 1522, Level = LogLevel.Information, Message = "Drained: {Rows} rows flushed to {Store} in {Elapsed}; nothing is left")]
    private static partial void LogDrained(ILogger logger, int rows, string store, TimeSpan elapsed);

    [LoggerMessage(EventId = 1523, Level = LogLevel.Warning, Message =
        "{Rows} rows were not flushed within {Timeout}; another silo or the next start flushes those that are journaled")]
    private static partial void LogLeft(ILogger logger, int rows, TimeSpan timeout);
}
