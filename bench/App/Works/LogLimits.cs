using Actors.Bench.Peers;
using StackExchange.Redis;

namespace Actors.Bench.App.Works;

/// <summary>A peer of limits: the stateless script, a sliding log in a sorted set per client.</summary>
internal sealed class LogLimits(AppSettings settings, AppLimit limit) : AppWork<bool>
{
    private readonly RedisKey[][] _clients = [.. limit.Names.Select(name => (RedisKey[])[$"{settings.Name}-log-{name}"])];
    private SlidingLog? _log;

    public override async Task PrepareAsync()
    {
        _log = await SlidingLog.ConnectAsync(settings.Redis, limit.Window);
        await limit.FillAsync(() => _log.AcquireAsync(_clients[0]));
    }

    public override ValueTask<bool> CallAsync(Random random) => new(_log!.AcquireAsync(_clients[random.Next(_clients.Length)]));

    public override bool IsExpected(bool answer) => answer == limit.IsAllowed;

    public override ValueTask DisposeAsync() => _log?.DisposeAsync() ?? ValueTask.CompletedTask;
}
