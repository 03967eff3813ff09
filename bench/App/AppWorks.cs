using Actors.Bench.App.Works;

namespace Actors.Bench.App;

/// <summary>The works of the app by the names that commands use.</summary>
internal static class AppWorks
{
    public const string EmptyLoop = "empty-loop";
    public const string EmptyCalls = "empty-calls";
    public const string Reads = "reads";
    public const string HashReads = "hash-reads";
    public const string Writes = "writes";
    public const string Upserts = "upserts";
    public const string NewUsers = "new-users";
    public const string NewClients = "new-clients";

    private const string OurLimits = "limits-";
    private const string RedisLimits = "redis-limits-";
    private const string LogLimits = "log-limits-";

    public static string Ours(AppLimit limit) => OurLimits + limit.Policy;

    public static string ByRedisRateLimiting(AppLimit limit) => RedisLimits + limit.Policy;

    public static string BySlidingLog(AppLimit limit) => LogLimits + limit.Policy;

    public static AppWork Make(string name, AppSettings settings) => name switch
    {
        EmptyLoop => new EmptyLoop(),
        EmptyCalls => new EmptyCalls(settings),
        Reads => new UserReads(),
        HashReads => new HashReads(settings),
        Writes => new UserWrites(),
        Upserts => new Upserts(settings),
        NewUsers => new NewUsers(),
        NewClients => new NewClients(),
        _ => AppLimit.All.Select(limit =>
            name == Ours(limit) ? new ClusterLimits(limit)
            : name == ByRedisRateLimiting(limit) ? new RedisLimits(settings, limit)
            : name == BySlidingLog(limit) ? (AppWork)new LogLimits(settings, limit)
            : null).FirstOrDefault(work => work is not null) ?? throw new InvalidOperationException($"The app has no work '{name}'."),
    };
}
