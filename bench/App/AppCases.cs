using Actors.Bench.App.Http;

namespace Actors.Bench.App;

/// <summary>The cases measured from an app: app, silo, Redis and PostgreSQL are processes of their own, over TCP on loopback.</summary>
internal static class AppCases
{
    private const string Users = "10,000 users at random, 256 callers";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        Of(
            "app.write", $"from an app: journaled writes, {Users}", "writes/s", servers => new AppWrites(servers),
            new("one fenced upsert per write, 64 connections", 10, Peer(AppWorks.Upserts)), Floor()),
        Of(
            "app.read", $"from an app: GetAsync of active users, {Users}", "reads/s", Ours(AppWorks.Reads),
            new("HGETALL by StackExchange.Redis", 1, Peer(AppWorks.HashReads)), Floor()),
        Limit("app.limit.many", "10,000 clients, all allowed", AppLimit.Many, target: 1.5),
        Limit("app.limit.hot", "one client, all allowed", AppLimit.Hot, target: 10),
        Limit("app.limit.hot.deny", "one client, all denied", AppLimit.Full, target: 10),
        Of(
            "app.write.one", "from an app: journaled writes, one caller alone", "writes/s", servers => new AppWrites(servers, callers: 1),
            new("one fenced upsert per write", null, Peer(AppWorks.Upserts, callers: 1)), Floor(callers: 1)),
        Of(
            "app.read.one", "from an app: GetAsync of active users, one caller alone", "reads/s", Ours(AppWorks.Reads, callers: 1),
            new("HGETALL by StackExchange.Redis", null, Peer(AppWorks.HashReads, callers: 1)), Floor(callers: 1)),
        Of(
            "app.http", "an ASP.NET Core endpoint limited per API key, 10,000 keys, wrk with 64 connections", "requests/s",
            Http(HttpVariants.Ours),
            new("sliding window of RedisRateLimiting.AspNetCore, on the app's clock", 1.5, Http(HttpVariants.ByRedisRateLimiting)),
            new("the endpoint without a limiter", null, Http(HttpVariants.Unlimited))),
    ];

    private static BenchCase Limit(string name, string clients, AppLimit limit, double target) => Of(
        name, $"from an app: {clients}, 256 callers", "decisions/s", Ours(AppWorks.Ours(limit)),
        new("sliding window of RedisRateLimiting, on the app's clock", target, Peer(AppWorks.ByRedisRateLimiting(limit))),
        new("stateless EVALSHA sliding log", target, Peer(AppWorks.BySlidingLog(limit))),
        Floor());

    private static BenchCase Of(string name, string work, string unit, Func<BenchServers, Contender> ours, params BenchPeer[] peers) =>
        new(name, work, unit, ours, peers);

    private static Func<BenchServers, Contender> Ours(string work, int? callers = null) =>
        servers => new AppContender(servers, work, AppSilo.Ours, callers);

    private static Func<BenchServers, Contender> Peer(string work, int? callers = null) =>
        servers => new AppContender(servers, work, AppSilo.None, callers);

    private static Func<BenchServers, Contender> Http(string variant) => servers => new HttpContender(servers, variant);

    private static BenchPeer Floor(int? callers = null) => new(
        "floor: an empty grain call by Orleans' client", null, servers => new AppContender(servers, AppWorks.EmptyCalls, AppSilo.Floor, callers));
}
