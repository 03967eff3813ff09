namespace Actors.Bench.App.Works;

/// <summary>Reads of users that do not exist, each another one.</summary>
internal sealed class NewUsers : AppWork<User?>
{
    private AppClient? _client;
    private long _last;

    public override async Task PrepareAsync() => _client = await AppClient.ConnectAsync();

    public override ValueTask<User?> CallAsync(Random random) =>
        new(_client!.Actors.User($"new-{Interlocked.Increment(ref _last)}").GetAsync());

    public override bool IsExpected(User? answer) => answer is null;

    public override ValueTask DisposeAsync() => _client?.DisposeAsync() ?? ValueTask.CompletedTask;
}
