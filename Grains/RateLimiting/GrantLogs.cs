using System.Globalization;
using Actors.Resilience;
using Actors.WriteBehind;
using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// The logs of grants in Redis, as this silo reaches them. While one script runs, what is asked of other clients of the
/// partition gathers, and goes with the next: many clients cost Redis a call together. Safe for concurrent use.
/// </summary>
internal sealed class GrantLogs : IDisposable
{
    // A script blocks Redis: about 5 µs for each question.
    private const int MaxQuestions = 100;

    // After an outage all limiters have something to write back; Redis is to serve others meanwhile.
    private const int MaxRestores = 8;

    // A single server takes keys of any partition in one script. Of two scripts one is being run while the other gathers.
    private const int LanesOfOneServer = 2;

    private const int ArgumentsPerQuestion = 21;
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);
    private static readonly RedisValue Memory = (long)RateLimits.RequestIdMemory.TotalMicroseconds;

    private readonly RedisGateway _redis;
    private readonly TimeProvider _time;
    private readonly LimiterCounters _counters;
    private readonly Batcher<LogQuestion, LogAnswer>[] _lanes;
    private readonly SemaphoreSlim _restoring = new(MaxRestores);

    // Guards the two below.
    private readonly Lock _gate = new();
    private Task? _reachable;
    private ServerClock _clock;

    // Until it is known a script has keys of one partition only, as a cluster wants it. Set once, by any thread.
    private volatile bool _isOneServer;

    public GrantLogs(RedisGateway redis, TimeProvider time, LimiterCounters counters, CancellationToken stopping = default)
    {
        (_redis, _time, _counters, Stopping) = (redis, time, counters, stopping);
        _lanes = [.. Enumerable.Range(0, Partition.Count).Select(_ => new Batcher<LogQuestion, LogAnswer>(MaxQuestions, DecideAsync))];
    }

    /// <summary>Cancelled when the silo begins to stop.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>True while calls go to Redis.</summary>
    public bool IsReachable => _redis.IsClosed(RedisRole.Limits);

    /// <summary>This moment by the monotonic clock, in microseconds.</summary>
    public long Now => (long)(_time.GetTimestamp() * (1e6 / _time.TimestampFrequency));

    /// <summary>What the silo knows of the server's clock, for who knows nothing yet.</summary>
    public ServerClock Clock
    {
        get
        {
            lock (_gate) return _clock;
        }
    }

    /// <summary>What it is taken for while Redis has never been there: this machine's. Never told to Redis.</summary>
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

    /// <summary>Decides on the server.</summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public Task<LogAnswer> DecideAsync(string client, LogQuestion question) =>
        _lanes[_isOneServer ? Partition.Of(client) % LanesOfOneServer : Partition.Of(client)].AskAsync(question);

    /// <summary>Replaces a log in Redis by what its owner knows.</summary>
    /// <returns>One of <see cref="GrantScripts"/>.</returns>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public async Task<int> RestoreAsync(
        RedisKey log, RedisKey requests, string epoch, long longest,
        IReadOnlyList<(long At, long Permits)> grants, IReadOnlyCollection<string> forgotten, IReadOnlyDictionary<string, long> noted)
    {
        var arguments = new List<RedisValue>(6 + forgotten.Count + (2 * noted.Count) + (2 * grants.Count)) { epoch, longest, Memory, forgotten.Count };
        foreach (var name in forgotten) arguments.Add(name);
        arguments.Add(noted.Count);
        foreach (var (name, at) in noted)
        {
            arguments.Add(at);
            arguments.Add(name);
        }

        foreach (var (at, permits) in grants)
        {
            arguments.Add(at);
            arguments.Add(permits);
        }

        await _restoring.WaitAsync();
        try
        {
            var answer = (RedisResult[])(await EvaluateAsync(GrantScripts.Restore, [log, requests], [.. arguments]))!;
            return (int)answer[0];
        }
        finally
        {
            _restoring.Release();
        }
    }

    /// <summary>The grants to requests of a client that have an id, oldest first.</summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public async Task<IReadOnlyList<(string RequestId, NamedGrant Grant)>> NamedGrantsAsync(string client)
    {
        const string Read = "return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')";
        var entries = (RedisValue[])(await EvaluateAsync(Read, [RequestsKey(client)], []))!;
        return [.. entries.Chunk(2).Select(entry => NamedGrant.Parse(entry[0]!, (long)(double)entry[1]))];
    }

    /// <summary>Complete once calls go to Redis.</summary>
    public Task WhenReachableAsync()
    {
        // One looks for all who wait. It ends with the silo's process, and nothing in it fails.
        lock (_gate) return _reachable is { IsCompleted: false } looking ? looking : _reachable = LookAsync();

        async Task LookAsync()
        {
            while (!IsReachable) await Task.Delay(LookEvery, _time).ConfigureAwait(false);
        }
    }

    /// <summary>Waits before something is tried again.</summary>
    public Task PauseAsync(TimeSpan pause) => Task.Delay(pause, _time);

    public void Dispose() => _restoring.Dispose();

    private async Task<IReadOnlyList<LogAnswer>> DecideAsync(IReadOnlyList<LogQuestion> questions)
    {
        var keys = new List<RedisKey>(questions.Count);
        var arguments = new List<RedisValue>(4 + (ArgumentsPerQuestion * questions.Count))
        {
            Memory, RateLimits.RememberedRequests, Reserve.Life, questions.Count,
        };
        foreach (var question in questions)
        {
            keys.Add(question.Log);
            if (question.Requests is { } requests) keys.Add(requests);
            Write(question, arguments);
        }

        var sent = Now;
        var answers = (RedisResult[])(await EvaluateAsync(GrantScripts.Decide, [.. keys], [.. arguments]))!;
        var taken = (sent, Received: Now);
        _counters.ScriptAnswered(questions.Count, TimeSpan.FromMicroseconds(taken.Received - sent));
        if (!_isOneServer) _isOneServer = await _redis.IsOneServerAsync(RedisRole.Limits);
        lock (_gate) _clock.Observe((long)answers[0], taken.sent, taken.Received);
        var read = new LogAnswer[questions.Count];
        for (var i = 0; i < read.Length; i++) read[i] = Read(questions[i], (RedisResult[])answers[i + 1]!, taken);
        return read;
    }

    private static void Write(LogQuestion question, List<RedisValue> arguments)
    {
        var windows = question.Windows;
        arguments.Add(question.Epoch ?? RedisValue.EmptyString);
        arguments.Add(question.Newest);
        arguments.Add(question.Charged);
        arguments.Add(question.Granted);
        arguments.Add(question.Earliest);
        arguments.Add(question.IsDense ? windows.Tick : 0);
        arguments.Add(question.IsTrimming);
        arguments.Add(question.IsRenewing);
        arguments.Add(question.Requests is not null);
        arguments.Add(question.Reserve);
        arguments.Add(windows.Count);
        for (var i = 0; i < windows.Count; i++)
        {
            arguments.Add(windows.Limit(i));
            arguments.Add(windows.Duration(i));
            arguments.Add(question.Usage[i].Used);
            arguments.Add(question.Usage[i].Until);
        }

        arguments.Add(question.FromReserve?.Count ?? -1);
        foreach (var (at, before, permits) in question.FromReserve ?? [])
        {
            arguments.Add(at);
            arguments.Add(string.Create(CultureInfo.InvariantCulture, $"{before}:{permits}"));
        }

        var position = arguments.Count;
        arguments.Add(0);
        foreach (var run in Runs(question.Tickets))
        {
            arguments.Add(run.Calls);
            arguments.Add(run.First.Permits);
            arguments.Add(Mark(run.First));
            arguments[position] = (int)arguments[position] + 1;
        }
    }

    // Many calls of one size after each other are one run: they take a place in the script, not one each.
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

    private static bool IsAlike(Ticket first, Ticket next) =>
        first.Name is null && next.Name is null && first.Permits == next.Permits && first.Waits == next.Waits;

    private static RedisValue Mark(Ticket ticket) => ticket switch
    {
        { Name: { } name, Waits: var waits } => (waits ? "W" : "-") + name,
        { Waits: true } => "W",
        _ => "-",
    };

    private static LogAnswer Read(LogQuestion question, RedisResult[] answer, (long Sent, long Received) taken)
    {
        const int HeldFor = 2, At = 2, Before = 3, IsAddedToLast = 4, Reserved = 5, Granted = 6;
        var (status, time) = ((int)answer[0], (long)answer[1]);
        if (status is not (GrantScripts.Done or GrantScripts.Held)) return new LogAnswer { Status = status, Time = time, Taken = taken };
        if (status == GrantScripts.Held)
        {
            return ReadLog(answer, HeldFor + 1, new LogAnswer
            {
                Status = status,
                Time = time,
                Taken = taken,
                HeldFor = TimeSpan.FromMicroseconds((long)answer[HeldFor]),
            });
        }

        var tickets = question.Tickets;
        var granted = new long[tickets.Count];
        var (position, run) = (0, Granted);
        foreach (var (_, calls) in Runs(tickets))
        {
            var fits = (long)answer[run++];
            for (var left = calls; left > 0; left -= tickets[position++].Calls)
            {
                granted[position] = Math.Min(fits, tickets[position].Calls);
                fits -= granted[position];
            }
        }

        return ReadLog(answer, run, new LogAnswer
        {
            Status = status,
            Time = time,
            Taken = taken,
            At = (long)answer[At],
            Before = (long)answer[Before],
            IsAddedToLast = (int)answer[IsAddedToLast] == 1,
            Reserved = (long)answer[Reserved],
            Granted = granted,
        });
    }

    /// <summary>What a new owner is told behind the rest: its epoch, and the log.</summary>
    private static LogAnswer ReadLog(RedisResult[] answer, int position, LogAnswer read)
    {
        if (position == answer.Length) return read;
        var epoch = (string)answer[position++]!;
        var (before, grants) = (0L, new List<(long, long)>((answer.Length - position) / 2));
        for (; position < answer.Length; position += 2)
        {
            var member = ((string)answer[position]!).Split(':');
            if (grants.Count == 0) before = long.Parse(member[0], CultureInfo.InvariantCulture);
            grants.Add(((long)(double)answer[position + 1], long.Parse(member[1], CultureInfo.InvariantCulture)));
        }

        return read with { Epoch = epoch, Grants = grants, BeforeGrants = before };
    }

    private Task<RedisResult> EvaluateAsync(string script, RedisKey[] keys, RedisValue[] arguments) =>
        _redis.EvaluateAsync(RedisRole.Limits, script, keys, arguments);

    private string PartitionKey(string client) => $"{_redis.KeyPrefix}:limits:{Partition.Tag(Partition.Of(client))}";
}
