using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace Actors.WriteBehind;

/// <summary>Receives announcements of other silos that are partitioned from Redis. One per silo, for the silo's lifetime.</summary>
[Alias("Actors.IPartitionService")]
internal interface IPartitionService : IGrainService
{
    /// <summary>A silo announces whether it is partitioned from Redis. The announcement with the highest number counts.</summary>
    [Alias("SetPartitioned")]
    Task SetPartitionedAsync(SiloAddress silo, long number, bool isPartitioned);

    /// <summary>Returns once the rows that this silo has journaled so far are in the database.</summary>
    [Alias("Flush")]
    Task FlushAsync();
}

/// <summary>Forwards to thread-safe objects; has no state of its own.</summary>
[Reentrant]
internal sealed class PartitionService(GrainId id, Silo silo, ILoggerFactory loggers, PartitionedSilos partitioned, WriteBehindTable table)
    : GrainService(id, silo, loggers), IPartitionService
{
    public Task SetPartitionedAsync(SiloAddress silo, long number, bool isPartitioned)
    {
        partitioned.Told(silo, number, isPartitioned);
        return Task.CompletedTask;
    }

    public async Task FlushAsync()
    {
        using var limit = new CancellationTokenSource(PartitionedSilos.Patience);
        await table.FlushAsync(limit.Token);
    }
}

/// <summary>Reaches the partition service of any silo.</summary>
internal sealed class PartitionClient(IServiceProvider services) : GrainServiceClient<IPartitionService>(services)
{
    public IPartitionService Of(SiloAddress silo) => GetGrainService(silo);
}
