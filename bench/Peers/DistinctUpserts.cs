using Actors.Bench.Writes;
using Actors.Core;

namespace Actors.Bench.Peers;

/// <summary>write.distinct, the peer: one insert statement per new user.</summary>
internal sealed class DistinctUpserts(BenchServers servers) : Contender
{
    private FencedUpsert? _upsert;
    private Row? _user;
    private int _next;

    public override async Task PrepareAsync(Load load)
    {
        _upsert = new FencedUpsert(await servers.CreateDatabaseAsync());
        _user = SampleUsers.Row(0);
    }

    public override Task<Turn> RunAsync(Load load, CancellationToken cancellationToken) => Callers.RunAsync(
        FencedUpsert.Connections,
        load.Duration,
        _ => _upsert!.WriteAsync(_user! with { Key = SampleUsers.Id(Interlocked.Increment(ref _next)) }),
        cancellationToken);

    public override ValueTask DisposeAsync() => _upsert?.DisposeAsync() ?? ValueTask.CompletedTask;
}
