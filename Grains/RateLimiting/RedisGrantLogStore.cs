using System.Globalization;
using Actors.Core;
using Actors.Redis;
using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// The grant logs in Redis. While a script runs for a partition, requests for its other clients gather and go with the next
/// script, so many clients share one call to Redis. Thread-safe.
/// </summary>
internal sealed class RedisGrantLogStore : IDisposable
{
    /// <summary>The most entries that one script writes or decides: it blocks Redis for about 2 µs per entry.</summary>
    public const int MaxEntries = 500;

    // A script blocks Redis for about 5 µs per client.
    private const int MaxRequests = 100;

    // TTL of a staged part of a log that is being restored.
    private const long StagedMilliseconds = 60_000;

    // After an outage all limiters write back; the limit leaves Redis time for other callers.
    private const int MaxRestores = 8;

    // A single server accepts keys of any partition in one script. One script runs while the other gathers.
    private const int LanesOfOneServer = 2;

    private const int ArgumentsPerRequest = 21;
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);
    private static readonly RedisValue Memory = (long)RateLimits.RequestIdMemory.TotalMicroseconds;

    private readonly RedisGateway _redis;
    private readonly TimeProvider _time;
    private readonly LimiterCounters _counters;
    private readonly Batcher<DecideRequest, DecideResponse>[] _lanes;
    private readonly SemaphoreSlim _restoring = new(MaxRestores);

    // Guards the two fields below.
    private readonly Lock _gate = new();
    private Task? _reachable;
    private ServerClock _clock;

    // False until it is known: a cluster accepts keys of one partition only. Set once, by any thread.
    private volatile bool _isOneServer;

    public RedisGrantLogStore(RedisGateway redis, TimeProvider time, LimiterCounters counters, CancellationToken stopping = default)
    {
        (_redis, _time, _counters, Stopping) = (redis, time, counters, stopping);
        _lanes = [.. Enumerable.Range(0, Partition.Count).Select(_ => new Batcher<DecideRequest, DecideResponse>(MaxRequests, DecideAsync))];
    }

    /// <summary>Cancelled when the silo begins to stop.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>True while calls go to Redis.</summary>
    public bool IsReachable => _redis.IsClosed(RedisRole.Limits);

    /// <summary>The current time on the monotonic clock, in microseconds.</summary>
    public long Now => (long)(_time.GetTimestamp() * (1e6 / _time.TimestampFrequency));

    /// <summary>The silo's bounds of the server's clock, for limiters that have none yet.</summary>
    public ServerClock Clock
    {
        get
        {
            lock (_gate) return _clock;
        }
    }

    /// <summary>A guess while Redis has never answered: this machine's clock. Never sent to Redis.</summary>
    public ServerClock GuessedClock
    {
        get
        {
            var (guessed, now) = (default(ServerClock), Now);
            guessed.Observe((long)(_time.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalMicroseconds, now, now);
            return guessed;
        }
    }

    public RedisKey LogKey(string client, string policy) => $"{PartitionKey(client)}:log:{policy}:{client}";

    public RedisKey RequestsKey(string client) => $"{PartitionKey(client)}:requests:{client}";

    /// <summary>True if the script can treat two consecutive calls as one run.</summary>
    public static bool IsAlike(Ticket first, Ticket next) =>
        first.Name is null && next.Name is null && first.Permits == next.Permits && first.Waits == next.Waits;

    /// <summary>Decides on the server.</summary>
    /// <exception cref="RedisUnavailableException">Redis is unreachable or failed.</exception>
    public Task<DecideResponse> DecideAsync(string client, DecideRequest request) =>
        _lanes[_isOneServer ? Partition.Of(client) % LanesOfOneServer : Partition.Of(client)].AskAsync(request);

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
                ReadGrants((RedisResult[])(await EvaluateAsync(GrantScripts.Older, [log], [grants[^1].At, since]))!, 0, grants);
            }
        }
        catch (RedisUnavailableException error)
        {
            throw new RedisUnavailableException(RedisRole.Limits, error.Message, mayHaveHappened: true);
        }

        return WithGrants(response, grants) with { IsPartial = false };
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
        var sent = Now;
        var time = (long)await EvaluateAsync(Time, [LogKey("", "")], []);
        var received = Now;
        lock (_gate) _clock.Observe(time, sent, received);
    }

    /// <summary>Completes once calls go to Redis.</summary>
    public Task WhenReachableAsync()
    {
        // One loop serves all waiting callers. It cannot fail and ends with the silo's process.
        lock (_gate) return _reachable is { IsCompleted: false } looking ? looking : _reachable = LookAsync();

        async Task LookAsync()
        {
            while (!IsReachable) await Task.Delay(LookEvery, _time).ConfigureAwait(false);
        }
    }

    /// <summary>Waits before a retry.</summary>
    public Task PauseAsync(TimeSpan pause) => Task.Delay(pause, _time);

    public void Dispose() => _restoring.Dispose();

    private async Task<IReadOnlyList<DecideResponse>> DecideAsync(IReadOnlyList<DecideRequest> requests)
    {
        var responses = new List<DecideResponse>(requests.Count);
        while (responses.Count < requests.Count)
        {
            // As many requests as fit into one script; a single request always fits.
            var (first, entries) = (responses.Count, 0);
            var count = 0;
            while (first + count < requests.Count && (count == 0 || entries + EntriesOf(requests[first + count]) <= MaxEntries))
                entries += EntriesOf(requests[first + count++]);
            try
            {
                responses.AddRange(await DecideAsync(requests, first, count));
            }
            catch (RedisUnavailableException error) when (first > 0 && !error.MayHaveHappened)
            {
                // All callers of the batch get the same failure, and the earlier requests have been decided.
                throw new RedisUnavailableException(RedisRole.Limits, error.Message, mayHaveHappened: true);
            }
        }

        return responses;
    }

    private async Task<DecideResponse[]> DecideAsync(IReadOnlyList<DecideRequest> requests, int first, int count)
    {
        var keys = new List<RedisKey>(count);
        var arguments = new List<RedisValue>(4 + (ArgumentsPerRequest * count))
        {
            Memory, RateLimits.RememberedRequests, Reserve.Life, count,
        };
        for (var i = first; i < first + count; i++)
        {
            keys.Add(requests[i].Log);
            if (requests[i].Requests is { } names) keys.Add(names);
            Write(requests[i], arguments);
        }

        var sent = Now;
        var responses = (RedisResult[])(await EvaluateAsync(GrantScripts.Decide, [.. keys], [.. arguments]))!;
        var taken = (sent, Received: Now);
        _counters.ScriptAnswered(count, TimeSpan.FromMicroseconds(taken.Received - sent));
        if (!_isOneServer) _isOneServer = await _redis.IsOneServerAsync(RedisRole.Limits);
        lock (_gate) _clock.Observe((long)responses[0], taken.sent, taken.Received);
        var read = new DecideResponse[count];
        for (var i = 0; i < count; i++) read[i] = Read(requests[first + i], (RedisResult[])responses[i + 1]!, taken);
        return read;
    }

    // Grants from a reserve are added with one command, so they cost little.
    private static int EntriesOf(DecideRequest request)
    {
        var entries = 1 + ((request.FromReserve?.Count ?? 0) / 8);
        for (var i = 1; i < request.Tickets.Count; i++)
        {
            if (!IsAlike(request.Tickets[i - 1], request.Tickets[i])) entries++;
        }

        return entries;
    }

    private static void Write(DecideRequest request, List<RedisValue> arguments)
    {
        var windows = request.Windows;
        arguments.Add(request.Epoch ?? RedisValue.EmptyString);
        arguments.Add(request.Newest);
        arguments.Add(request.Charged);
        arguments.Add(request.Granted);
        arguments.Add(request.Earliest);
        arguments.Add(request.IsDense ? windows.Tick : 0);
        arguments.Add(request.IsTrimming);
        arguments.Add(request.IsRenewing);
        arguments.Add(request.Requests is not null);
        arguments.Add(request.Reserve);
        arguments.Add(windows.Count);
        for (var i = 0; i < windows.Count; i++)
        {
            arguments.Add(windows.Limit(i));
            arguments.Add(windows.Duration(i));
            arguments.Add(request.Usage[i].Used);
            arguments.Add(request.Usage[i].Until);
        }

        arguments.Add(request.FromReserve?.Count ?? -1);
        foreach (var (at, before, permits) in request.FromReserve ?? [])
        {
            arguments.Add(at);
            arguments.Add(string.Create(CultureInfo.InvariantCulture, $"{before}:{permits}"));
        }

        var position = arguments.Count;
        arguments.Add(0);
        foreach (var run in Runs(request.Tickets))
        {
            arguments.Add(run.Calls);
            arguments.Add(run.First.Permits);
            arguments.Add(Mark(run.First));
            arguments[position] = (int)arguments[position] + 1;
        }
    }

    // Consecutive calls of one size form one run, which takes one entry of the script.
    private static IEnumerable<(Ticket First, int Calls)> Runs(IReadOnlyList<Ticket> tickets)
    {
        for (var i = 0; i < tickets.Count;)
        {
            var (first, calls) = (tickets[i], 0);
            do calls += tickets[i++].Calls;
            while (i < tickets.Count && IsAlike(first, tickets[i]));
            yield return (first, calls);
        }
    }

    private static RedisValue Mark(Ticket ticket) => ticket switch
    {
        { Name: { } name, Waits: var waits } => (waits ? "W" : "-") + name,
        { Waits: true } => "W",
        _ => "-",
    };

    private static DecideResponse Read(DecideRequest request, RedisResult[] response, (long Sent, long Received) taken)
    {
        const int HeldFor = 2, At = 2, Before = 3, IsAddedToLast = 4, Reserved = 5, Granted = 6;
        var (status, time) = ((int)response[0], (long)response[1]);
        if (status is not (GrantScripts.Done or GrantScripts.Held)) return new DecideResponse { Status = status, Time = time, Taken = taken };
        if (status == GrantScripts.Held)
        {
            return ReadLog(response, HeldFor + 1, new DecideResponse
            {
                Status = status,
                Time = time,
                Taken = taken,
                HeldFor = TimeSpan.FromMicroseconds((long)response[HeldFor]),
            });
        }

        var tickets = request.Tickets;
        var granted = new long[tickets.Count];
        var (position, run) = (0, Granted);
        foreach (var (_, calls) in Runs(tickets))
        {
            var fits = (long)response[run++];
            for (var left = calls; left > 0; left -= tickets[position++].Calls)
            {
                granted[position] = Math.Min(fits, tickets[position].Calls);
                fits -= granted[position];
            }
        }

        return ReadLog(response, run, new DecideResponse
        {
            Status = status,
            Time = time,
            Taken = taken,
            At = (long)response[At],
            Before = (long)response[Before],
            IsAddedToLast = (int)response[IsAddedToLast] == 1,
            Reserved = (long)response[Reserved],
            Granted = granted,
        });
    }

    /// <summary>Reads the part for a new owner: its epoch and the newest grants of the log.</summary>
    private static DecideResponse ReadLog(RedisResult[] response, int position, DecideResponse read)
    {
        if (position == response.Length) return read;
        var epoch = (string)response[position++]!;
        var grants = new List<(long At, long Before, long Permits)>((response.Length - position) / 2);
        ReadGrants(response, position, grants);
        return WithGrants(read with { Epoch = epoch, IsPartial = grants.Count == MaxEntries }, grants);
    }

    private static void ReadGrants(RedisResult[] response, int position, List<(long At, long Before, long Permits)> grants)
    {
        for (; position < response.Length; position += 2)
        {
            var member = ((string)response[position]!).Split(':');
            grants.Add((
                (long)(double)response[position + 1],
                long.Parse(member[0], CultureInfo.InvariantCulture),
                long.Parse(member[1], CultureInfo.InvariantCulture)));
        }
    }

    // The newest grants come first.
    private static DecideResponse WithGrants(DecideResponse read, List<(long At, long Before, long Permits)> grants)
    {
        grants.Reverse();
        return read with { Grants = [.. grants.Select(grant => (grant.At, grant.Permits))], BeforeGrants = grants.Count == 0 ? 0 : grants[0].Before };
    }

    private Task<RedisResult> EvaluateAsync(string script, RedisKey[] keys, RedisValue[] arguments) =>
        _redis.EvaluateAsync(RedisRole.Limits, script, keys, arguments);

    private string PartitionKey(string client) => $"{_redis.KeyPrefix}:limits:{Partition.Tag(Partition.Of(client))}";
}
