using Actors.Bench.App;
using Actors.Bench.Breaker;
using Actors.Bench.Limits;
using Actors.Bench.Peers;
using Actors.Bench.Writes;

namespace Actors.Bench;

/// <summary>All cases.</summary>
internal static class Cases
{
    private const string SlidingLog = "stateless EVALSHA sliding log";
    private const string OneUpsert = "one fenced upsert per write, 64 connections";

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        new(
            "write.hot", "journaled writes, 10,000 users, flush keeping up", "writes/s", servers => new HotWrites(servers, Durability.Journal),
            new(OneUpsert, 25, servers => new HotUpserts(servers)),
            new("Orleans Redis grain storage, WriteStateAsync per write", 4, servers => new GrainStorageWrites(servers))),
        new(
            "write.distinct", "every write a new user, no coalescing", "writes/s", servers => new DistinctWrites(servers),
            new BenchPeer(OneUpsert, 10, servers => new DistinctUpserts(servers))),
        new(
            "write.through", "writes to 10,000 users, each waiting for its commit in the database", "writes/s",
            servers => new HotWrites(servers, Durability.Database, callersFactor: 4),
            new BenchPeer(OneUpsert, 8, servers => new HotUpserts(servers))),
        new(
            "write.flush", "draining dirty rows to the database", "rows/s", servers => new Flush(servers),
            new BenchPeer("raw unnest upsert of the same rows, same batch and lanes", 0.9, servers => new UnnestUpserts(servers))),
        Hot("limit.hot.allow", isAllowed: true, LimitCalls.ByLibrary, target: 5),
        Hot("limit.hot.deny", isAllowed: false, LimitCalls.ByLibrary, target: 5),
        Hot("limit.hot.allow.grain", isAllowed: true, LimitCalls.ByGrain, target: null),
        Hot("limit.hot.deny.grain", isAllowed: false, LimitCalls.ByGrain, target: null),
        new(
            "limit.many", "10,000 clients, all allowed, each call for a random one, 256 callers", "decisions/s", servers => new ManyLimits(servers),
            new BenchPeer(SlidingLog, 1.5, servers => new ManySlidingLogs(servers))),
        new(
            "breaker.closed", "the guard around a call that does nothing, one thread", "calls/s", _ => new OurClosed(),
            new BenchPeer("Polly v8 circuit breaker, closed, by outcome", 4, _ => new PollyCalls(isOpen: false)))
        {
            NeedsServers = false,
            AllocatesNothing = true,
        },
        new(
            "breaker.open", "refusing a call, one thread", "calls/s", _ => new OurOpen(),
            new BenchPeer("Polly v8 circuit breaker, open, by outcome", 4, _ => new PollyCalls(isOpen: true)))
        {
            NeedsServers = false,
            AllocatesNothing = true,
        },
        .. AppCases.All,
    ];

    private static BenchCase Hot(string name, bool isAllowed, Func<BenchSilo, string, LimitCall> way, double? target)
    {
        var limit = new HotLimit(name, isAllowed);
        return new(
            name, $"one client, all {(isAllowed ? "allowed" : "denied")}, 256 callers", "decisions/s",
            servers => new HotLimiter(servers, limit, way), new BenchPeer(SlidingLog, target, servers => new HotSlidingLog(servers, limit)));
    }

    public static BenchCase? Find(string name) => All.FirstOrDefault(each => each.Name == name);
}
