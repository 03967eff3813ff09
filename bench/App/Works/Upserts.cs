using Actors.Bench.Peers;
using Actors.Bench.Writes;
using Actors.Core;

namespace Actors.Bench.App.Works;

/// <summary>The peer of writes: one fenced upsert per write. Callers share 64 connections, so most of them wait for one.</summary>
internal sealed class Upserts(AppSettings settings) : AppWork<bool>
{
    private readonly Row[] _users = [.. Enumerable.Range(0, AppUsers.Count).Select(SampleUsers.Row)];

    // Changed by Interlocked only.
    private readonly long[] _versions = new long[AppUsers.Count];
    private FencedUpsert? _upsert;

    public override Task PrepareAsync()
    {
        _upsert = new FencedUpsert(settings.Database);
        return Callers.EachAsync(FencedUpsert.Connections, AppUsers.Count, WriteAsync);
    }

    public override async ValueTask<bool> CallAsync(Random random)
    {
        await WriteAsync(random.Next(AppUsers.Count));
        return true;
    }

    public override bool IsExpected(bool answer) => answer;

    public override ValueTask DisposeAsync() => _upsert?.DisposeAsync() ?? ValueTask.CompletedTask;

    private Task WriteAsync(int user) => _upsert!.WriteAsync(_users[user] with { Version = Interlocked.Increment(ref _versions[user]) });
}
