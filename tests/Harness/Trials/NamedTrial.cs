namespace Actors.Harness.Trials;

/// <summary>A named trial of one guarantee for any duration.</summary>
/// <param name="Name">The name that selects it.</param>
/// <param name="Description">The fault and the guarantee, for people.</param>
/// <param name="Silos">The number of silos.</param>
/// <param name="Settings">The environment variables of the silos.</param>
/// <param name="RunAsync">Runs it on a healthy deployment and leaves it healthy.</param>
public sealed record NamedTrial(
    string Name, string Description, int Silos, IReadOnlyDictionary<string, string> Settings,
    Func<Deployment, TrialOptions, Action<string>, Task<Verdict>> RunAsync)
{
    /// <summary>True if Redis has a replica and can fail over.</summary>
    public bool HasReplica { get; init; }

    /// <summary>All trials.</summary>
    public static IReadOnlyList<NamedTrial> All { get; } =
    [
        new("rolling", "silos are replaced one at a time under load: no call fails, nothing is lost", 3,
            new Dictionary<string, string>(), RollingTrial.RunAsync),
        new("kills", "repeated kill -9 of a random silo: nothing is lost, and its rows are in PostgreSQL within"
            + $" {KillTrial.Limit.TotalSeconds} s without a call", 3, KillTrial.Settings, KillTrial.RunAsync),
        new("freeze", "a random silo is frozen (SIGSTOP) for 5 to 40 s repeatedly, under readers that know the writes acknowledged"
            + " before each read: no read is older unless marked as stale, calls fail with our types, no other silo is declared dead", 3,
            new Dictionary<string, string>(), FreezeTrial.RunAsync),
        new("ceiling", "PostgreSQL is stopped until writes are rejected: with the right error, in bounded memory, and nothing is lost", 1,
            CeilingTrial.SettingsOf(mebibytes: 16), CeilingTrial.RunAsync),
        new("memory", "500,000 users are written and read, and 200,000 clients limited, through a silo with a heap of 400 MiB: no"
            + " OutOfMemoryException, nothing is lost", 0, MemoryTrial.Settings, MemoryTrial.RunAsync),
        new("redis", "Redis is killed, emptied, silent for a minute, and restarted without its last writes: nothing is lost", 3,
            new Dictionary<string, string>(), RedisTrial.RunAsync),
        new("failover", "Redis fails over behind one address while a silo starts: silos journal again within"
            + $" {FailoverTrial.Limit.TotalSeconds} s each time, one cluster, nothing is lost, and no window over its limit", 3,
            LimitPlan.Settings, FailoverTrial.RunAsync) { HasReplica = true },
        new("crash", "a silo is killed while PostgreSQL is stopped, and all silos are killed at once: nothing is lost", 3,
            new Dictionary<string, string>(), CrashTrial.RunAsync),
        new("limits-hot", "256 callers of one client wait for permits, and 256 retry at once after a denial: no window"
            + " over its limit, and the full allowance is granted", 2, LimitPlan.PatientSettings, LimitHotTrial.RunAsync),
        new("limits-kill", "silos are killed one at a time under limiter callers: no window over its limit", 3,
            LimitPlan.PatientSettings, LimitKillTrial.RunAsync),
        new("limits-move", "silos stop gracefully and join under limiter callers: no window over its limit, no call fails", 3,
            LimitPlan.PatientSettings, LimitMoveTrial.RunAsync),
        new("limits-redis", "Redis is frozen, killed, and killed and emptied under limiter callers: decisions continue without it, and"
            + " no window is over its limit", 2, LimitPlan.Settings, LimitRedisTrial.RunAsync),
        new("limits-clocks", "callers and a silo whose clocks are 5 s off: no window over its limit, and the full allowance is granted", 2,
            LimitPlan.PatientSettings, LimitClockTrial.RunAsync),
    ];
}

/// <summary>The extent of a trial.</summary>
/// <param name="Rounds">The number of rounds.</param>
/// <param name="Seed">The seed of random choices.</param>
/// <param name="Users">The users of each load; null for the trial's default.</param>
/// <param name="Outage">The length of an outage; null for the default.</param>
/// <param name="Rate">The calls that each load starts per second; null for as many as get a response.</param>
/// <param name="IsShort">Whether limits have short windows, so that a short time has many of them.</param>
public sealed record TrialOptions(int Rounds = 1, int Seed = 1, int? Users = null, TimeSpan? Outage = null, int? Rate = null, bool IsShort = false)
{
    /// <summary>The prefix of its load names, which gives each trial of a shared deployment its own users.</summary>
    public string Tag { get; } = $"t{Guid.NewGuid().ToString("n")[..6]}";
}
