using Actors.Bench.Writes;

namespace Actors.Bench.Peers;

/// <summary>
/// write.hot, the second peer: a grain with the same state applies the same patch and saves it with Orleans' Redis grain
/// storage in every call. Nothing reaches a database.
/// </summary>
internal sealed class GrainStorageWrites(BenchServers servers) : Contender
{
    private BenchSilo? _silo;
    private IStoredUserGrain[] _users = [];

    public override async Task PrepareAsync(Load load)
    {
        _silo = await BenchSilo.StartGrainStorageAsync(servers);
        _users = [.. Enumerable.Range(0, load.Users).Select(i => _silo.Grains.GetGrain<IStoredUserGrain>(SampleUsers.Id(i)))];
        await Callers.EachAsync(load.Callers, load.Users, i => _users[i].UpdateAsync(SampleUsers.Profile(i)));
    }

    public override Task<Turn> RunAsync(Load load, CancellationToken cancellationToken) => Callers.RunAsync(
        load.Callers,
        load.Duration,
        random => _users[random.Next(_users.Length)].UpdateAsync(SampleUsers.Visit(random)),
        cancellationToken);

    public override ValueTask DisposeAsync() => _silo?.DisposeAsync() ?? ValueTask.CompletedTask;
}
