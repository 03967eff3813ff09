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
}

/// <summary>Hands on to what any thread may ask and steer; holds no state of its own.</summary>
[Reentrant]
internal sealed class RedisBreakerService(GrainId id, Silo silo, ILoggerFactory loggers, ILocalSiloDetails self, RedisGateway redis)
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
}

/// <summary>Reaches the breaker of any silo.</summary>
internal sealed class RedisBreakerClient(IServiceProvider services) : GrainServiceClient<IRedisBreakerService>(services)
{
    public IRedisBreakerService Of(SiloAddress silo) => GetGrainService(silo);
}
