using System.Threading.RateLimiting;

namespace Actors.Bench.App.Works;

/// <summary>Calls that are limited per client, each of another client, by one partitioned limiter of the client library.</summary>
internal sealed class NewClients : AppWork<RateLimitLease>
{
    private AppClient? _client;
    private GrainPartitionedRateLimiter<string>? _limiter;
    private long _last;

    public override async Task PrepareAsync()
    {
        _client = await AppClient.ConnectAsync();
        _limiter = new(_client.Actors, static client => new(client), new() { Policy = AppLimit.Many.Policy, CallTimeout = TimeSpan.FromMinutes(1) });
    }

    public override ValueTask<RateLimitLease> CallAsync(Random random) => _limiter!.AcquireAsync($"new-{Interlocked.Increment(ref _last)}");

    // The silo denies new clients once its memory for them is full.
    public override bool IsExpected(RateLimitLease answer) => true;

    public override async ValueTask DisposeAsync()
    {
        if (_limiter is not null) await _limiter.DisposeAsync();
        if (_client is not null) await _client.DisposeAsync();
    }
}
