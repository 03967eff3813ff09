using Actors.Bench.Writes;

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

    public override ValueTask DisposeAsync() => _client?.DisposeAsync() ?? ValueTask.CompletedTask;
}
