using Actors.Bench.Writes;
using Actors.Core;

namespace Actors.Bench.Peers;

/// <summary>write.hot, the first peer: one upsert statement for each state that our silo would flush.</summary>
internal sealed class HotUpserts(BenchServers servers) : Contender
{
    private FencedUpsert? _upsert;
    private Row[] _users = [];
    private long[] _versions = [];

    public override async Task PrepareAsync(Load load)
    {
        _upsert = new FencedUpsert(await servers.CreateDatabaseAsync());
        _users = [.. Enumerable.Range(0, load.Users).Select(SampleUsers.Row)];
        _versions = new long[load.Users];
        await Callers.EachAsync(FencedUpsert.Connections, load.Users, WriteAsync);
    }

    public override Task<Turn> RunAsync(Load load, CancellationToken cancellationToken) => Callers.RunAsync(
        FencedUpsert.Connections, load.Duration, random => WriteAsync(random.Next(_users.Length)), cancellationToken);

    public override ValueTask DisposeAsync() => _upsert?.DisposeAsync() ?? ValueTask.CompletedTask;

    private Task WriteAsync(int user) => _upsert!.WriteAsync(_users[user] with { Version = Interlocked.Increment(ref _versions[user]) });
}
