using System.Globalization;
using Actors.Core;
using Actors.Redis;
using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>
/// The logs of grants in Redis, as this silo reaches them. While one script runs, what is asked of other clients of the
/// partition gathers, and goes with the next: many clients cost Redis a call together. Safe for concurrent use.
/// </summary>
internal sealed class RedisGrantLogStore : IDisposable
{
    /// <summary>The most entries one script writes or decides: it blocks Redis, some 2 µs for each.</summary>
    public const int MaxEntries = 500;

    // A script blocks Redis: about 5 µs for each question.
    private const int MaxQuestions = 100;

    // A part of a log that is to be restored waits for the rest no longer.
    private const long StagedMilliseconds = 60_000;

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

    public RedisGrantLogStore(RedisGateway redis, TimeProvider time, LimiterCounters counters, CancellationToken stopping = default)
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

    /// <summary>True where two calls after each other are one run to the script.</summary>
    public static bool IsAlike(Ticket first, Ticket next) =>
        first.Name is null && next.Name is null && first.Permits == next.Permits && first.Waits == next.Waits;

    /// <summary>Decides on the server.</summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public Task<LogAnswer> DecideAsync(string client, LogQuestion question) =>
        _lanes[_isOneServer ? Partition.Of(client) % LanesOfOneServer : Partition.Of(client)].AskAsync(question);

    /// <summary>Replaces a log in Redis by what its owner knows: at once, however many script calls it takes to bring it there.</summary>
    /// <returns>One of <see cref="GrantScripts"/>.</returns>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public async Task<int> RestoreAsync(RedisKey log, string epoch, long longest, (long At, long Permits)[] grants)
    {
        await _restoring.WaitAsync();
        try
        {
            // What does not fit into one script is put together under a key that nobody else knows, and takes the place of the log.
            // Where that is broken off the log stays as it was.
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

    /// <summary>Reads what the answer to a new owner lacks of its log, a part at a time: nobody else writes it any more.</summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve it, and what was asked first has happened.</exception>
    public async Task<LogAnswer> WholeAsync(RedisKey log, LogAnswer answer, long since)
    {
        var grants = new List<(long At, long Before, long Permits)>();
        var (before, permits) = (answer.BeforeGrants, 0L);
        foreach (var grant in answer.Grants)
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

        return WithGrants(answer, grants) with { IsPartial = false };
    }

    /// <summary>Has Redis forget and note names of a client, up to <see cref="MaxEntries"/>.</summary>
    /// <inheritdoc cref="RestoreAsync" path="/returns"/>
    /// <inheritdoc cref="RestoreAsync" path="/exception"/>
    public async Task<int> NameAsync(
        RedisKey log, RedisKey requests, string epoch, IReadOnlyCollection<string> forgotten, IReadOnlyCollection<KeyValuePair<string, long>> noted)
    {
        var arguments = new List<RedisValue>(4 + forgotten.Count + (2 * noted.Count)) { epoch, Memory, RateLimits.RememberedRequests, forgotten.Count };
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

    /// <summary>The grants to requests of a client that have an id, oldest first.</summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public async Task<IReadOnlyList<(string RequestId, NamedGrant Grant)>> NamedGrantsAsync(string client)
    {
        // By rank from the newest, in parts. Only the owner adds, and it knows what it adds: then some are read twice.
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

    /// <summary>Asks the server for its time.</summary>
    /// <exception cref="RedisUnavailableException">Redis did not serve it.</exception>
    public async Task LookAtClockAsync()
    {
        const string Time = "local time = redis.call('TIME') return time[1] * 1000000 + time[2]";
        var sent = Now;
        var time = (long)await EvaluateAsync(Time, [LogKey("", "")], []);
        var received = Now;
        lock (_gate) _clock.Observe(time, sent, received);
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
        var answers = new List<LogAnswer>(questions.Count);
        while (answers.Count < questions.Count)
        {
            // As many as one script may have; one question has no more.
            var (first, entries) = (answers.Count, 0);
            var count = 0;
            while (first + count < questions.Count && (count == 0 || entries + EntriesOf(questions[first + count]) <= MaxEntries))
                entries += EntriesOf(questions[first + count++]);
            try
            {
                answers.AddRange(await DecideAsync(questions, first, count));
            }
            catch (RedisUnavailableException error) when (first > 0 && !error.MayHaveHappened)
            {
                // All are told the same, and those before have been decided.
                throw new RedisUnavailableException(RedisRole.Limits, error.Message, mayHaveHappened: true);
            }
        }

        return answers;
    }

    private async Task<LogAnswer[]> DecideAsync(IReadOnlyList<LogQuestion> questions, int first, int count)
    {
        var keys = new List<RedisKey>(count);
        var arguments = new List<RedisValue>(4 + (ArgumentsPerQuestion * count))
        {
            Memory, RateLimits.RememberedRequests, Reserve.Life, count,
        };
        for (var i = first; i < first + count; i++)
        {
            keys.Add(questions[i].Log);
            if (questions[i].Requests is { } requests) keys.Add(requests);
            Write(questions[i], arguments);
        }

        var sent = Now;
        var answers = (RedisResult[])(await EvaluateAsync(GrantScripts.Decide, [.. keys], [.. arguments]))!;
        var taken = (sent, Received: Now);
        _counters.ScriptAnswered(count, TimeSpan.FromMicroseconds(taken.Received - sent));
        if (!_isOneServer) _isOneServer = await _redis.IsOneServerAsync(RedisRole.Limits);
        lock (_gate) _clock.Observe((long)answers[0], taken.sent, taken.Received);
        var read = new LogAnswer[count];
        for (var i = 0; i < count; i++) read[i] = Read(questions[first + i], (RedisResult[])answers[i + 1]!, taken);
        return read;
    }

    // Notes of what was granted from a reserve are added all at once: they cost little.
    private static int EntriesOf(LogQuestion question)
    {
        var entries = 1 + ((question.FromReserve?.Count ?? 0) / 8);
        for (var i = 1; i < question.Tickets.Count; i++)
        {
            if (!IsAlike(question.Tickets[i - 1], question.Tickets[i])) entries++;
        }

        return entries;
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

    /// <summary>What a new owner is told behind the rest: its epoch, and the end of the log.</summary>
    private static LogAnswer ReadLog(RedisResult[] answer, int position, LogAnswer read)
    {
        if (position == answer.Length) return read;
        var epoch = (string)answer[position++]!;
        var grants = new List<(long At, long Before, long Permits)>((answer.Length - position) / 2);
        ReadGrants(answer, position, grants);
        return WithGrants(read with { Epoch = epoch, IsPartial = grants.Count == MaxEntries }, grants);
    }

    private static void ReadGrants(RedisResult[] answer, int position, List<(long At, long Before, long Permits)> grants)
    {
        for (; position < answer.Length; position += 2)
        {
            var member = ((string)answer[position]!).Split(':');
            grants.Add((
                (long)(double)answer[position + 1],
                long.Parse(member[0], CultureInfo.InvariantCulture),
                long.Parse(member[1], CultureInfo.InvariantCulture)));
        }
    }

    // The newest come first.
    private static LogAnswer WithGrants(LogAnswer read, List<(long At, long Before, long Permits)> grants)
    {
        grants.Reverse();
        return read with { Grants = [.. grants.Select(grant => (grant.At, grant.Permits))], BeforeGrants = grants.Count == 0 ? 0 : grants[0].Before };
    }

    private Task<RedisResult> EvaluateAsync(string script, RedisKey[] keys, RedisValue[] arguments) =>
        _redis.EvaluateAsync(RedisRole.Limits, script, keys, arguments);

    private string PartitionKey(string client) => $"{_redis.KeyPrefix}:limits:{Partition.Tag(Partition.Of(client))}";
}
