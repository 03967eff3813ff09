namespace Actors.Cli.Tests.Breaker;

/// <summary>Status reports of silos for the tests.</summary>
internal static class Silos
{
    public const string First = "127.0.0.1:11111@154395619";
    public const string Second = "127.0.0.1:11112@154395700";

    public static SiloReport Of(string silo, params CircuitSnapshot[] circuits) => new()
    {
        Silo = silo,
        IsResponding = true,
        Version = "1.2.3",
        Breaker = new() { Silo = silo, Circuits = circuits.Length == 0 ? [Closed()] : circuits },
    };

    public static SiloReport NotResponding(string silo) => new() { Silo = silo, IsResponding = false };

    public static CircuitSnapshot Closed(string address = "127.0.0.1:6379", params string[] roles) => new()
    {
        Address = address,
        Roles = roles.Length == 0 ? ["journal", "cache"] : roles,
        State = BreakerState.Closed,
        Since = Now - TimeSpan.FromMinutes(90.5),
        Latency = new()
        {
            Calls = 5000,
            P50 = TimeSpan.FromMilliseconds(0.31),
            P95 = TimeSpan.FromMilliseconds(1.2),
            P99 = TimeSpan.FromMilliseconds(14),
        },
        Calls = 128_193,
        Failures = 12,
        Health = new()
        {
            At = Now - TimeSpan.FromSeconds(30),
            Version = "7.4.1",
            Uptime = TimeSpan.FromHours(76),
            UsedMemory = 3L << 30,
            MaxMemory = 4L << 30,
            ConnectedClients = 42,
            EvictedKeys = 7,
            KeyspaceHits = 9,
            KeyspaceMisses = 1,
        },
    };

    public static CircuitSnapshot Open(string address = "127.0.0.1:6379", params string[] roles) => Closed(address, roles) with
    {
        State = BreakerState.Open,
        Since = Now - TimeSpan.FromSeconds(40),
        FailureRatio = 0.615,
        Failures = 1204,
        Rejected = 45_000,
        LastError = "no connection is active",
        NextProbe = Now + TimeSpan.FromMinutes(4.5),
        Transitions =
        [
            Transition(300, BreakerState.Closed, BreakerState.Open, "the first reason"),
            Transition(200, BreakerState.Open, BreakerState.HalfOpen, "the second reason"),
            Transition(100, BreakerState.HalfOpen, BreakerState.Closed, "the third reason"),
            Transition(40, BreakerState.Closed, BreakerState.Open, "the fourth reason"),
        ],
    };

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    private static BreakerTransition Transition(int secondsAgo, BreakerState from, BreakerState to, string reason) =>
        new() { At = Now - TimeSpan.FromSeconds(secondsAgo), From = from, To = to, Reason = reason };
}
