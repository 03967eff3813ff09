using Actors.Bench.Writes;

namespace Actors.Bench.App.Works;

/// <summary>Reads active users at random.</summary>
internal sealed class UserReads : AppWork<User?>
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

    public override ValueTask<User?> CallAsync(Random random) => new(_actors!.User(AppUsers.Ids[random.Next(AppUsers.Count)]).GetAsync());

    public override bool IsExpected(User? answer) => answer is { IsPossiblyStale: false };

    public override ValueTask DisposeAsync() => _client?.DisposeAsync() ?? ValueTask.CompletedTask;
}
