using Microsoft.Extensions.Logging;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace Actors.Redis;

/// <summary>Exposes the breaker of its silo. One per silo, for the lifetime of the silo.</summary>
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

/// <summary>Delegates to the gateway, which any thread may use. Has no state of its own.</summary>
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

/// <summary>Calls the breaker service of any silo.</summary>
internal sealed class RedisBreakerClient(IServiceProvider services) : GrainServiceClient<IRedisBreakerService>(services)
{
    public IRedisBreakerService Of(SiloAddress silo) => GetGrainService(silo);
}
