using System.Reflection;
using Actors.Core;
using Actors.RateLimiting;
using Actors.Redis;
using Actors.Users;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Concurrency;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace Actors.Hosting;

/// <summary>Reports the status of its silo. One per silo, for the lifetime of the silo.</summary>
[Alias("Actors.ISiloStatusService")]
internal interface ISiloStatusService : IGrainService
{
    [Alias("GetStatus")]
    Task<SiloReport> GetStatusAsync();
}

/// <summary>Reads counters that any thread may read. Has no state of its own.</summary>
[Reentrant]
internal sealed class SiloStatusService(
    GrainId id, Silo silo, ILoggerFactory loggers, ILocalSiloDetails self, WriteBehindView writeBehind, ReadCounters reads, ActiveUsers users,
    RedisGateway redis, LimiterCounters limiters, IOptions<RateLimitOptions> limits, TimeProvider clock)
    : GrainService(id, silo, loggers), ISiloStatusService
{
    private static readonly string Version = ShortVersion(
        typeof(SiloStatusService).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown");

    private readonly long _started = clock.GetTimestamp();

    public Task<SiloReport> GetStatusAsync() => Task.FromResult(new SiloReport
    {
        Silo = SiloName.Of(self.SiloAddress),
        IsResponding = true,
        Version = Version,
        Uptime = clock.GetElapsedTime(_started),
        WriteBehind = writeBehind.Status,
        Cache = new() { Memory = reads.Memory, Redis = reads.Redis, Database = reads.Database },
        Breaker = redis.Snapshot(self.SiloAddress),
        RateLimits = LimiterInstruments.Status(limiters, limits.Value),
        Users = UserInstruments.Status(users),
    });

    // Returns 1.2.3+0123456 without the rest of the commit hash.
    private static string ShortVersion(string version)
    {
        const int ShortHash = 7;
        var hash = version.IndexOf('+', StringComparison.Ordinal) + 1;
        return hash == 0 || version.Length - hash <= ShortHash ? version : version[..(hash + ShortHash)];
    }
}

/// <summary>Calls the status service of any silo.</summary>
internal sealed class SiloStatusClient(IServiceProvider services) : GrainServiceClient<ISiloStatusService>(services)
{
    public Task<SiloReport> GetStatusAsync(SiloAddress silo) => GetGrainService(silo).GetStatusAsync();
}
