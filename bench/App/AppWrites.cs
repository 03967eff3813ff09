using Actors.Bench.App.Works;

namespace Actors.Bench.App;

/// <summary>app.write, ours. What the app was acknowledged must be in the database afterwards, so a turn ends with a drained queue.</summary>
internal sealed class AppWrites(BenchServers servers, int? callers = null) : AppContender(servers, AppWorks.Writes, AppSilo.Ours, callers)
{
    // The users made by the preparation.
    private long _acknowledged = AppUsers.Count;

    public override async Task<Turn> RunAsync(Load load, CancellationToken cancellationToken)
    {
        var turn = await base.RunAsync(load, cancellationToken);
        _acknowledged += turn.Count;
        return turn;
    }

    /// <summary>The flush of the silo must not run beside the next contender.</summary>
    public override Task AfterTurnAsync() => StoredAsync();

    public override async Task VerifyAsync()
    {
        if (await StoredAsync() is var stored && stored != _acknowledged)
            throw new InvalidOperationException($"{_acknowledged} writes were acknowledged, but {stored} are in the database.");
    }

    /// <summary>The versions in the database, once they include all acknowledged writes or have not grown for some seconds.</summary>
    private async Task<long> StoredAsync()
    {
        var stored = 0L;
        for (var unchanged = 0; stored < _acknowledged && unchanged < 50; unchanged++)
        {
            await Task.Delay(100);
            var former = stored;
            stored = await BenchServers.CountAsync(Cluster.Database, "SELECT coalesce(sum(version), 0) FROM users");
            if (stored != former) unchanged = 0;
        }

        return stored;
    }
}
