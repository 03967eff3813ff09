namespace Actors.Bench.Writes;

/// <summary>
/// write.hot and write.through, ours: callers update random users and wait until each write is journaled, or in the database,
/// while the silo flushes. The figure is valid only if the flush keeps up, which is checked.
/// </summary>
internal sealed class HotWrites(BenchServers servers, Durability durability, int callersFactor = 1) : Contender
{
    private readonly WriteOptions _options = new() { Durability = durability };
    private string _database = "";
    private BenchSilo? _silo;
    private IUserGrain[] _users = [];

    public override async Task PrepareAsync(Load load)
    {
        _database = await servers.CreateDatabaseAsync();
        _silo = await BenchSilo.StartOursAsync(servers, _database);
        _users = [.. Enumerable.Range(0, load.Users).Select(i => _silo.Grains.GetGrain<IUserGrain>(SampleUsers.Id(i)))];
        await Callers.EachAsync(load.Callers, load.Users, i => _users[i].UpdateAsync(SampleUsers.Profile(i)));
    }

    public override async Task<Turn> RunAsync(Load load, CancellationToken cancellationToken)
    {
        await using var watch = new BacklogWatch(_silo!.Table);
        var turn = await Callers.RunAsync(
            load.Callers * callersFactor,
            load.Duration,
            random => _users[random.Next(_users.Length)].UpdateAsync(SampleUsers.Visit(random), _options),
            cancellationToken);
        return turn with { Doubt = watch.Doubt };
    }

    public override Task AfterTurnAsync() => _silo!.DrainedAsync();

    public override async Task VerifyAsync()
    {
        var written = Enum.GetValues<Durability>().Sum(_silo!.Table.Counters.Writes);
        var stored = await BenchServers.CountAsync(_database, "SELECT sum(version) FROM users");
        if (stored != written) throw new InvalidOperationException($"{written} writes were acknowledged, but {stored} are in the database.");
    }

    public override ValueTask DisposeAsync() => _silo?.DisposeAsync() ?? ValueTask.CompletedTask;
}
