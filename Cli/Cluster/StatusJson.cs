using Actors.Cli.Breaker;

namespace Actors.Cli.Cluster;

/// <summary>The status of the cluster as JSON: unformatted values, times in seconds.</summary>
internal static class StatusJson
{
    public static object Of(ClusterStatus status, DateTimeOffset now) => new
    {
        Silos = status.Silos.Select(silo => new
        {
            silo.Silo,
            silo.IsResponding,
            silo.Version,
            UptimeSeconds = silo.Uptime.TotalSeconds,
            WriteBehind = new
            {
                silo.WriteBehind.MemoryWrites,
                silo.WriteBehind.JournalWrites,
                silo.WriteBehind.DatabaseWrites,
                silo.WriteBehind.JournalCommits,
                silo.WriteBehind.FlushedBatches,
                silo.WriteBehind.FlushedRows,
                silo.WriteBehind.CoalesceRatio,
                silo.WriteBehind.UnflushedRows,
                silo.WriteBehind.UnflushedBytes,
                OldestUnflushedSeconds = silo.WriteBehind.OldestUnflushed.TotalSeconds,
                silo.WriteBehind.FenceHits,
                silo.WriteBehind.ParkedRows,
                silo.WriteBehind.HeldRows,
            },
            Users = new { silo.Users.Active, silo.Users.Bytes, silo.Users.MaxBytes, silo.Users.Shed, silo.Users.Refused },
            Cache = new { Memory = Of(silo.Cache.Memory), Redis = Of(silo.Cache.Redis), Database = Of(silo.Cache.Database) },
            RateLimits = new
            {
                silo.RateLimits.Clients,
                silo.RateLimits.Decisions,
                silo.RateLimits.Allowed,
                silo.RateLimits.Denied,
                silo.RateLimits.ShadowDenied,
                silo.RateLimits.Local,
                silo.RateLimits.Mirrored,
                silo.RateLimits.ScriptCalls,
                silo.RateLimits.DecisionsPerCall,
                silo.RateLimits.Waiting,
                silo.RateLimits.Unsynced,
                silo.RateLimits.Bytes,
                silo.RateLimits.MaxBytes,
            },
            Breaker = silo.Breaker is { } breaker ? BreakerJson.Of(breaker, now) : null,
        }),
    };

    private static object Of(LayerStatus layer) => new { layer.Hits, layer.Misses, layer.HitRate };
}
