using Actors.Core;
using Actors.Redis;
using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>The grant logs and the named grants in Redis. Thread-safe.</summary>
internal sealed class RedisGrantLogStore : IDisposable
{
    /// <summary>The most entries that one script writes or decides: it blocks Redis for about 2 µs per entry.</summary>
    public const int MaxEntries = 500;

    // TTL of a staged part of a log that is being restored.
    private const long StagedMilliseconds = 60_000;

    // After an outage all limiters write back; the limit leaves Redis time for other callers.
    private const int MaxRestores = 8;

    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);
    private static readonly RedisValue Memory = (long)RateLimits.RequestIdMemory.TotalMicroseconds;

    private readonly RedisGateway _redis;
    private readonly TimeProvider _time;
    private readonly DecideLanes _lanes;
    private readonly SemaphoreSlim _restoring = new(MaxRestores);

    // Guards the field below; held for a few accesses, never over an await.
    private readonly Lock _gate = new();
    private Task? _reachable;

    public RedisGrantLogStore(RedisGateway redis, TimeProvider time, LimiterCounters counters, CancellationToken stopping = default)
    {
        (_redis, _time, Stopping) = (redis, time, stopping);
        Clock = new SiloRedisClock(time);
        _lanes = new DecideLanes(redis, Clock, counters);
    }

    /// <summary>Cancelled when the silo begins to stop.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>True while calls go to Redis.</summary>
    public bool IsReachable => _redis.IsClosed(RedisRole.Limits);

    /// <summary>The Redis clock, as this silo knows it.</summary>
    public SiloRedisClock Clock { get; }

    public RedisKey LogKey(string client, string policy) => $"{PartitionKey(client)}:log:{policy}:{client}";

    public RedisKey RequestsKey(string client) => $"{PartitionKey(client)}:requests:{client}";

    /// <summary>Decides on the server.</summary>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public Task<DecideResponse> DecideAsync(string client, DecideRequest request) => _lanes.DecideAsync(client, request);

    /// <summary>Replaces a log in Redis by the owner's copy, atomically, even if it takes several script calls.</summary>
    /// <returns>One of the statuses of <see cref="GrantScripts"/>.</returns>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public async Task<int> RestoreAsync(RedisKey log, string epoch, long longest, (long At, long Permits)[] grants)
    {
        await _restoring.WaitAsync();
        try
        {
            // A log too long for one script is staged under a temporary key, then replaces the log. If staging is interrupted,
            // the log stays unchanged.
            var staged = grants.Length <= MaxEntries ? 0 : grants.Length - MaxEntries;
            var (keys, before) = (new List<RedisKey> { log }, 0L);
            if (staged > 0)
            {
                keys.Add(log.Append($":staged:{Guid.NewGuid():n}"));
                for (var from = 0; from < staged; from += MaxEntries)
                {
                    var part = grants.AsMemory(from, Math.Min(MaxEntries, staged - from));
                    await EvaluateAsync(GrantScripts.Stage, [keys[1]], Arguments([StagedMilliseconds, before], part));
                    before += Permits(part);
                }
            }

            return (int)await EvaluateAsync(GrantScripts.Restore, [.. keys], Arguments([epoch, longest, staged, before], grants.AsMemory(staged)));
        }
        finally
        {
            _restoring.Release();
        }

        static RedisValue[] Arguments(List<RedisValue> first, ReadOnlyMemory<(long At, long Permits)> part)
        {
            foreach (var (at, permits) in part.Span)
            {
                first.Add(at);
                first.Add(permits);
            }

            return [.. first];
        }

        static long Permits(ReadOnlyMemory<(long At, long Permits)> part)
        {
            var permits = 0L;
            foreach (var grant in part.Span) permits += grant.Permits;
            return permits;
        }
    }

    /// <summary>
    /// Reads the older grants that the response to a new owner lacks, in batches. No other activation writes the log any more.
    /// </summary>
    /// <exception cref="RedisUnavailableException">
    /// Redis is unreachable or failed; the first request has taken effect.
    /// </exception>
    public async Task<DecideResponse> LoadOlderAsync(RedisKey log, DecideResponse response, long since)
    {
        var grants = new List<(long At, long Before, long Permits)>();
        var (before, permits) = (response.BeforeGrants, 0L);
        foreach (var grant in response.Grants)
        {
            grants.Add((grant.At, before + permits, grant.Permits));
            permits += grant.Permits;
        }

        grants.Reverse();
        try
        {
            for (var count = 0; grants.Count - count == MaxEntries;)
            {
                count = grants.Count;
                DecideCodec.ReadGrants((RedisResult[])(await EvaluateAsync(GrantScripts.Older, [log], [grants[^1].At, since]))!, 0, grants);
            }
        }
        catch (RedisUnavailableException error)
        {
            throw new RedisUnavailableException(RedisRole.Limits, error.Message, mayHaveHappened: true);
        }

        return response.WithGrants(grants) with { IsPartial = false };
    }

    /// <summary>Lets Redis forget and note names of a client, up to <see cref="MaxEntries"/>.</summary>
    /// <inheritdoc cref="RestoreAsync" path="/returns"/>
    /// <inheritdoc cref="RestoreAsync" path="/exception"/>
    public async Task<int> NameAsync(
        RedisKey log, RedisKey requests, string epoch, IReadOnlyCollection<string> forgotten, IReadOnlyCollection<KeyValuePair<string, long>> noted)
    {
        var arguments = new List<RedisValue>(4 + forgotten.Count + (2 * noted.Count))
        {
            epoch, Memory, RateLimits.RememberedRequests, forgotten.Count,
        };
        foreach (var name in forgotten) arguments.Add(name);
        foreach (var (name, at) in noted)
        {
            arguments.Add(at);
            arguments.Add(name);
        }

        await _restoring.WaitAsync();
        try
        {
            return (int)await EvaluateAsync(GrantScripts.Name, [log, requests], [.. arguments]);
        }
        finally
        {
            _restoring.Release();
        }
    }

    /// <summary>The grants of a client to requests with an id, oldest first.</summary>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public async Task<IReadOnlyList<(string RequestId, NamedGrant Grant)>> NamedGrantsAsync(string client)
    {
        // Read by rank from the newest, in batches. Only the owner adds entries, which it knows; a concurrent add makes some
        // entries appear twice.
        const string Read = "return redis.call('ZREVRANGE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES')";
        var grants = new List<(string, NamedGrant)>();
        for (var from = 0; from < RateLimits.RememberedRequests; from += MaxEntries)
        {
            var entries = (RedisValue[])(await EvaluateAsync(Read, [RequestsKey(client)], [from, from + MaxEntries - 1]))!;
            foreach (var entry in entries.Chunk(2)) grants.Add(NamedGrant.Parse(entry[0]!, (long)(double)entry[1]));
            if (entries.Length < 2 * MaxEntries) break;
        }

        grants.Reverse();
        return grants;
    }

    /// <summary>Reads the server's clock.</summary>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public async Task ReadClockAsync()
    {
        const string Time = "local time = redis.call('TIME') return time[1] * 1000000 + time[2]";
        var sent = Clock.Now;
        var time = (long)await EvaluateAsync(Time, [LogKey("", "")], []);
        Clock.Observe(time, sent, Clock.Now);
    }

    /// <summary>Completes once calls go to Redis.</summary>
    public Task WhenReachableAsync()
    {
        // One loop serves all waiting callers, so it must not stay on the scheduler of the grain that starts it. It cannot fail and
        // ends with the silo's process.
        lock (_gate) return _reachable is { IsCompleted: false } looking ? looking : _reachable = LookAsync();

        async Task LookAsync()
        {
            while (!IsReachable) await Task.Delay(LookEvery, _time).ConfigureAwait(false);
        }
    }

    /// <summary>Waits before a retry.</summary>
    public Task PauseAsync(TimeSpan pause) => Task.Delay(pause, _time);

    public void Dispose() => _restoring.Dispose();

    private Task<RedisResult> EvaluateAsync(string script, RedisKey[] keys, RedisValue[] arguments) =>
        _redis.EvaluateAsync(RedisRole.Limits, script, keys, arguments);

    private string PartitionKey(string client) => $"{_redis.KeyPrefix}:limits:{Partition.Tag(Partition.Of(client))}";
}
