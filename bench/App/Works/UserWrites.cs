using Actors.Bench.Writes;
using Actors.WriteBehind;

namespace Actors.Bench.App.Works;

/// <summary>Journaled writes to active users at random.</summary>
internal sealed class UserWrites : AppWork<WriteReceipt>
{
    private AppClient? _client;
    private ActorsClient? _actors;

    public override async Task PrepareAsync()
    {
        _client = await AppClient.ConnectAsync();
        _actors = _client.Actors;
        await Callers.EachAsync(256, AppUsers.Count, i => _actors.User(AppUsers.Ids[i]).UpdateAsync(SampleUsers.Profile(i)));
        await _client.DrainedAsync();
    }

    public override ValueTask<WriteReceipt> CallAsync(Random random) =>
        new(_actors!.User(AppUsers.Ids[random.Next(AppUsers.Count)]).UpdateAsync(AppUsers.Visit(random)));

    public override bool IsExpected(WriteReceipt answer) => answer.Durability >= Durability.Journal;

    /// <summary>A flush that falls behind shows at the end of the turn, when the backlog is the longest.</summary>
    public override async Task<AppTurn> RunAsync(int callers, TimeSpan duration)
    {
        var turn = await base.RunAsync(callers, duration);
        return turn with { Doubt = BacklogWatch.DoubtOf(await _client!.OldestUnflushedAsync(), new WriteBehindOptions().FlushInterval) };
    }

    public override ValueTask DisposeAsync() => _client?.DisposeAsync() ?? ValueTask.CompletedTask;
}
