using System.Threading.RateLimiting;

namespace Actors.Bench.App.Works;

/// <summary>Our limiters in the app: one partitioned limiter of the client library.</summary>
internal sealed class ClusterLimits(AppLimit limit) : AppWork<RateLimitLease>
{
    // Every answer must come from the silo, not from the library's fallback.
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private AppClient? _client;
    private GrainPartitionedRateLimiter<string>? _limiter;
    private long _prepared;
    private long _calls;

    public override async Task PrepareAsync()
    {
        _client = await AppClient.ConnectAsync();
        _limiter = new(_client.Actors, static client => new(client), new() { Policy = limit.Policy, CallTimeout = Longest });
        await limit.FillAsync(async () => (await CallAsync(Random.Shared)).IsAcquired);
        await Callers.EachAsync(256, limit.Clients, async i => await _limiter.AcquireAsync(limit.Names[i]));
        _prepared = limit.Clients;
    }

    public override ValueTask<RateLimitLease> CallAsync(Random random) => _limiter!.AcquireAsync(limit.Names[random.Next(limit.Clients)]);

    public override bool IsExpected(RateLimitLease answer) => answer.IsAcquired == limit.IsAllowed;

    public override async Task<AppTurn> RunAsync(int callers, TimeSpan duration)
    {
        var turn = await base.RunAsync(callers, duration);
        _calls += turn.Count;
        return turn;
    }

    /// <summary>The silo must have decided as many calls as callers were answered, all with Redis.</summary>
    public override async Task VerifyAsync()
    {
        var status = (await _client!.Actors.Cluster.GetStatusAsync()).Silos.Single().RateLimits;
        var (answered, decided) = (_prepared + _calls, limit.IsAllowed ? status.Allowed : status.Denied);
        if (decided != answered) throw new InvalidOperationException($"{answered} calls were answered, but the silo counted {decided}: {status}.");
        if (status.Local > 0) throw new InvalidOperationException($"{status.Local} calls were decided without Redis.");
    }

    public override async ValueTask DisposeAsync()
    {
        if (_limiter is not null) await _limiter.DisposeAsync();
        if (_client is not null) await _client.DisposeAsync();
    }
}
