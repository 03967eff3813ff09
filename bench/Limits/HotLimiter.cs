namespace Actors.Bench.Limits;

/// <summary>limit.hot, ours: all callers call the one client, in one of the ways an app can.</summary>
internal sealed class HotLimiter(BenchServers servers, HotLimit limit, Func<BenchSilo, string, LimitCall> way) : Contender
{
    private readonly string _client = $"hot-{limit.Name}";
    private readonly Answers _answers = new(limit.IsAllowed);
    private BenchSilo? _silo;
    private LimitCall _acquire = () => default;

    public override async Task PrepareAsync(Load load)
    {
        _silo = await BenchSilo.StartOursAsync(servers, await servers.CreateDatabaseAsync());
        _acquire = await CallAsync(_client, limit.Window);
        await limit.FillAsync(async () => await _acquire());
    }

    public override Task<Turn> RunAsync(Load load, CancellationToken cancellationToken) => Callers.RunAsync(
        HotLimit.CallersOf(load), load.Duration, async _ => _answers.Note(await _acquire()), cancellationToken);

    public override async Task VerifyAsync()
    {
        _answers.Verify();
        await VerifyCountersAsync();

        var client = $"check-{limit.Name}";
        var acquire = await CallAsync(client, HotLimit.Checked);
        await Callers.EachAsync(HotLimit.CheckedCallers, HotLimit.CheckedCalls, async _ => await acquire());
        await VerifyUsageAsync(client);

        // Grants decided from memory must reach Redis as well.
        await _silo!.DeactivateAllAsync();
        await VerifyUsageAsync(client);
    }

    public override ValueTask DisposeAsync() => _silo?.DisposeAsync() ?? ValueTask.CompletedTask;

    private async Task<LimitCall> CallAsync(string client, RateLimitWindow window)
    {
        await _silo!.Grains.GetGrain<IRateLimiterGrain>(client).SetPolicyAsync(new() { Name = RateLimits.DefaultPolicy, Windows = [window] });
        return way(_silo, client);
    }

    private async Task VerifyUsageAsync(string client)
    {
        HotLimit.VerifyChecked(await LimitCalls.UsedAsync(_silo!.Grains.GetGrain<IRateLimiterGrain>(client)));
    }

    /// <summary>Checks that the silo decided as many calls as callers were answered, all with Redis.</summary>
    private async Task VerifyCountersAsync()
    {
        var status = await _silo!.LimitsAsync();
        var decided = limit.IsAllowed ? status.Allowed : status.Denied;
        if (decided != _answers.Count)
            throw new InvalidOperationException($"{_answers.Count} calls were answered, but the silo counted {decided}: {status}.");
        if (status.Local > 0) throw new InvalidOperationException($"{status.Local} calls were decided without Redis.");
    }
}
