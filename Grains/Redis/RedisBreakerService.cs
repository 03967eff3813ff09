using Actors.WriteBehind;
using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace Actors.Redis;

/// <summary>Holds the breaker of the silo it runs on. One per silo, for as long as the silo lives.</summary>
[Alias("Actors.IRedisBreakerService")]
internal interface IRedisBreakerService : IGrainService
{
    [Alias("Get")]
    Task<BreakerSnapshot> GetAsync();

    [Alias("Isolate")]
    Task IsolateAsync(string reason);

    [Alias("Close")]
    Task CloseAsync();

    /// <summary>Another silo tells that it is cut off from Redis, or no longer. Of several such calls that with the highest number counts.</summary>
    [Alias("NumberedCutOff")]
    Task CutOffAsync(SiloAddress silo, long number, bool isCutOff);

    /// <summary>Returns once what this silo has journaled so far is in the database.</summary>
    [Alias("Flush")]
    Task FlushAsync();
}

/// <summary>Hands on to what any thread may ask and steer; holds no state of its own.</summary>
[Reentrant]
internal sealed class RedisBreakerService(GrainId id, Silo silo, ILoggerFactory loggers, ILocalSiloDetails self, RedisGateway redis, CutOffSilos cutOff,
    WriteBehindTable table)
    : GrainService(id, silo, loggers), IRedisBreakerService
{
    public Task<BreakerSnapshot> GetAsync() => Task.FromResult(redis.Snapshot(self.SiloAddress));

    public Task IsolateAsync(string reason)
    {
        redis.Isolate(reason);
        return Task.CompletedTask;
    }

    public Task CloseAsync()
    {
        redis.Close("closed by hand");
        return Task.CompletedTask;
    }

    public Task CutOffAsync(SiloAddress silo, long number, bool isCutOff)
    {
        cutOff.Told(silo, number, isCutOff);
        return Task.CompletedTask;
    }

    public async Task FlushAsync()
    {
        using var limit = new CancellationTokenSource(CutOffSilos.Patience);
        await table.FlushAsync(limit.Token);
    }
}

/// <summary>Reaches the breaker of any silo.</summary>
internal sealed class RedisBreakerClient(IServiceProvider services) : GrainServiceClient<IRedisBreakerService>(services)
{
    public IRedisBreakerService Of(SiloAddress silo) => GetGrainService(silo);
}
