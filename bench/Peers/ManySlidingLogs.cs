using Actors.Bench.Limits;
using StackExchange.Redis;

namespace Actors.Bench.Peers;

/// <summary>limit.many, the peer: all callers run the script, each time for a random client.</summary>
internal sealed class ManySlidingLogs(BenchServers servers) : Contender
{
    private readonly Answers _answers = new(isAllowed: true);
    private SlidingLog? _log;
    private RedisKey[][] _clients = [];

    public override async Task PrepareAsync(Load load)
    {
        _log = await SlidingLog.ConnectAsync(servers.Redis, ManyLimits.Window);
        _clients = [.. Enumerable.Range(0, load.Users).Select(i => (RedisKey[])[$"{servers.KeyPrefix}-log-{ManyLimits.Client(i)}"])];
    }

    public override Task<Turn> RunAsync(Load load, CancellationToken cancellationToken) => Callers.RunAsync(
        HotLimit.CallersOf(load),
        load.Duration,
        async random => _answers.Note(await _log!.AcquireAsync(_clients[random.Next(_clients.Length)])),
        cancellationToken);

    public override Task VerifyAsync()
    {
        _answers.Verify();
        return Task.CompletedTask;
    }

    public override ValueTask DisposeAsync() => _log?.DisposeAsync() ?? ValueTask.CompletedTask;
}
