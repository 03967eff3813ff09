using Actors.Bench.Limits;
using StackExchange.Redis;

namespace Actors.Bench.Peers;

/// <summary>limit.hot, the peer: all callers run the script for the one client.</summary>
internal sealed class HotSlidingLog(BenchServers servers, HotLimit limit) : Contender
{
    private readonly RedisKey[] _client = [$"{servers.KeyPrefix}-log-{limit.Name}"];
    private readonly Answers _answers = new(limit.IsAllowed);
    private SlidingLog? _log;

    public override async Task PrepareAsync(Load load)
    {
        _log = await SlidingLog.ConnectAsync(servers.Redis, limit.Window);
        await limit.FillAsync(() => _log.AcquireAsync(_client));
    }

    public override Task<Turn> RunAsync(Load load, CancellationToken cancellationToken) => Callers.RunAsync(
        HotLimit.CallersOf(load), load.Duration, async _ => _answers.Note(await _log!.AcquireAsync(_client)), cancellationToken);

    public override async Task VerifyAsync()
    {
        _answers.Verify();
        await using var log = await SlidingLog.ConnectAsync(servers.Redis, HotLimit.Checked);
        RedisKey[] client = [$"{servers.KeyPrefix}-log-check-{limit.Name}"];
        await Callers.EachAsync(HotLimit.CheckedCallers, HotLimit.CheckedCalls, _ => log.AcquireAsync(client));
        HotLimit.VerifyChecked(await log.CountAsync(client[0]));
    }

    public override ValueTask DisposeAsync() => _log?.DisposeAsync() ?? ValueTask.CompletedTask;
}
