namespace Actors.Bench.Writes;

/// <summary>
/// write.distinct, ours: every write creates a new user. Each pays for an activation, the claim of the key and the read of an
/// earlier row; nothing is coalesced. The flush is checked as in write.hot.
/// </summary>
internal sealed class DistinctWrites(BenchServers servers) : Contender
{
    private string _database = "";
    private BenchSilo? _silo;
    private int _next;

    public override async Task PrepareAsync(Load load)
    {
        _database = await servers.CreateDatabaseAsync();
        _silo = await BenchSilo.StartOursAsync(servers, _database);
    }

    public override async Task<Turn> RunAsync(Load load, CancellationToken cancellationToken)
    {
        await using var watch = new BacklogWatch(_silo!.Table);
        var turn = await Callers.RunAsync(load.Callers, load.Duration, _ => WriteAsync(_silo.Grains), cancellationToken);
        return turn with { Doubt = watch.Doubt };
    }

    public override async Task AfterTurnAsync()
    {
        await _silo!.DrainedAsync();
        await _silo.DeactivateAllAsync();
    }

    public override async Task VerifyAsync()
    {
        var stored = await BenchServers.CountAsync(_database, "SELECT count(*) FROM users");
        if (stored != _next) throw new InvalidOperationException($"{_next} users were created, but {stored} are in the database.");
    }

    public override ValueTask DisposeAsync() => _silo?.DisposeAsync() ?? ValueTask.CompletedTask;

    private Task WriteAsync(IGrainFactory grains)
    {
        var user = Interlocked.Increment(ref _next);
        return grains.GetGrain<IUserGrain>(SampleUsers.Id(user)).UpdateAsync(SampleUsers.Profile(user));
    }
}
