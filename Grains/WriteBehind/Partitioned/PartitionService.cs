using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace Actors.WriteBehind;

/// <summary>Hears from other silos that they are partitioned from Redis. One per silo, for as long as the silo lives.</summary>
[Alias("Actors.IPartitionService")]
internal interface IPartitionService : IGrainService
{
    /// <summary>A silo announces that it is partitioned from Redis, or no longer. The call with the highest number counts.</summary>
    [Alias("SetPartitioned")]
    Task SetPartitionedAsync(SiloAddress silo, long number, bool isPartitioned);

    /// <summary>Returns once the rows that this silo has journaled so far are in the database.</summary>
    [Alias("Flush")]
    Task FlushAsync();
}

/// <summary>Hands on to objects that any thread may call; holds no state of its own.</summary>
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
