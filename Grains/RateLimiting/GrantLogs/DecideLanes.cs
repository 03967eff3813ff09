using Actors.Core;
using Actors.Redis;
using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// Sends the limiters' requests to Redis. While a script runs for a partition, requests for its other clients gather and go
/// with the next script, so many clients share one call to Redis. Thread-safe.
/// </summary>
internal sealed class DecideLanes
{
    // A script blocks Redis for about 5 µs per client.
    private const int MaxRequests = 100;

    // A single server accepts keys of any partition in one script. One script runs while the other gathers.
    private const int LanesOfOneServer = 2;

    private readonly RedisGateway _redis;
    private readonly SiloRedisClock _clock;
    private readonly LimiterCounters _counters;
    private readonly Batcher<DecideRequest, DecideResponse>[] _lanes;

    // False until it is known: a cluster accepts keys of one partition only. Set once, by any thread.
    private volatile bool _isOneServer;

    public DecideLanes(RedisGateway redis, SiloRedisClock clock, LimiterCounters counters)
    {
        (_redis, _clock, _counters) = (redis, clock, counters);
        _lanes = [.. Enumerable.Range(0, Partition.Count).Select(_ => new Batcher<DecideRequest, DecideResponse>(MaxRequests, SendAsync))];
    }

    /// <summary>Decides on the server.</summary>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public Task<DecideResponse> DecideAsync(string client, DecideRequest request) =>
        _lanes[_isOneServer ? Partition.Of(client) % LanesOfOneServer : Partition.Of(client)].AskAsync(request);

    private async Task<IReadOnlyList<DecideResponse>> SendAsync(IReadOnlyList<DecideRequest> requests)
    {
        var responses = new List<DecideResponse>(requests.Count);
        while (responses.Count < requests.Count)
        {
            // As many requests as fit into one script; a single request always fits.
            var (first, entries) = (responses.Count, 0);
            var count = 0;
            while (first + count < requests.Count
                && (count == 0 || entries + DecideCodec.EntriesOf(requests[first + count]) <= RedisGrantLogStore.MaxEntries))
            {
                entries += DecideCodec.EntriesOf(requests[first + count++]);
            }

            try
            {
                responses.AddRange(await SendAsync(requests, first, count));
            }
            catch (RedisUnavailableException error) when (first > 0 && !error.MayHaveHappened)
            {
                // All callers of the batch get the same failure, and the earlier requests have been decided.
                throw new RedisUnavailableException(RedisRole.Limits, error.Message, mayHaveHappened: true);
            }
        }

        return responses;
    }

    private async Task<DecideResponse[]> SendAsync(IReadOnlyList<DecideRequest> requests, int first, int count)
    {
        var (keys, arguments) = DecideCodec.Write(requests, first, count);
        var sent = _clock.Now;
        var responses = (RedisResult[])(await _redis.EvaluateAsync(RedisRole.Limits, GrantScripts.Decide, keys, arguments))!;
        var taken = (sent, Received: _clock.Now);
        _counters.ScriptAnswered(count, TimeSpan.FromMicroseconds(taken.Received - sent));
        if (!_isOneServer) _isOneServer = await _redis.IsOneServerAsync(RedisRole.Limits);
        _clock.Observe((long)responses[0], taken.sent, taken.Received);
        var read = new DecideResponse[count];
        for (var i = 0; i < count; i++) read[i] = DecideCodec.Read(requests[first + i], (RedisResult[])responses[i + 1]!, taken);
        return read;
    }
}
