using System.Globalization;
using StackExchange.Redis;

namespace Actors.RateLimiting;

/// <summary>The arguments and the answer of <see cref="GrantScripts.Decide"/>.</summary>
internal static class DecideCodec
{
    // Positions in the answer for one request.
    private const int Status = 0;
    private const int Time = 1;
    private const int HeldFor = 2;
    private const int At = 2;
    private const int Before = 3;
    private const int IsAddedToLast = 4;
    private const int Reserved = 5;
    private const int Granted = 6;

    private const int SharedArguments = 4;
    private const int ArgumentsPerRequest = 21;

    private static readonly RedisValue Memory = (long)RateLimits.RequestIdMemory.TotalMicroseconds;

    /// <summary>The entries that a request takes of the most that one script decides.</summary>
    public static int EntriesOf(DecideRequest request)
    {
        // Grants from a reserve are added with one command, so they cost little.
        var entries = 1 + ((request.FromReserve?.Count ?? 0) / 8);
        for (var i = 1; i < request.Tickets.Count; i++)
        {
            if (!request.Tickets[i - 1].IsAlike(request.Tickets[i])) entries++;
        }

        return entries;
    }

    /// <summary>The keys and arguments of one script call for several requests.</summary>
    public static (RedisKey[] Keys, RedisValue[] Arguments) Write(IReadOnlyList<DecideRequest> requests, int first, int count)
    {
        var keys = new List<RedisKey>(count);
        var arguments = new List<RedisValue>(SharedArguments + (ArgumentsPerRequest * count))
        {
            Memory, RateLimits.RememberedRequests, Reserve.Life, count,
        };
        for (var i = first; i < first + count; i++)
        {
            keys.Add(requests[i].Log);
            if (requests[i].Requests is { } names) keys.Add(names);
            Write(requests[i], arguments);
        }

        return ([.. keys], [.. arguments]);
    }

    /// <summary>Reads the part of the answer that belongs to one request.</summary>
    public static DecideResponse Read(DecideRequest request, RedisResult[] response, (long Sent, long Received) taken)
    {
        var (status, time) = ((int)response[Status], (long)response[Time]);
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

    /// <summary>Reads grants of a log: member, score, ….</summary>
    public static void ReadGrants(RedisResult[] response, int position, List<(long At, long Before, long Permits)> grants)
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
            while (i < tickets.Count && first.IsAlike(tickets[i]));
            yield return (first, calls);
        }
    }

    private static RedisValue Mark(Ticket ticket) => ticket switch
    {
        { Name: { } name, Waits: var waits } => (waits ? "W" : "-") + name,
        { Waits: true } => "W",
        _ => "-",
    };

    // The part for a new owner: its epoch and the newest grants of the log.
    private static DecideResponse ReadLog(RedisResult[] response, int position, DecideResponse read)
    {
        if (position == response.Length) return read;
        var epoch = (string)response[position++]!;
        var grants = new List<(long At, long Before, long Permits)>((response.Length - position) / 2);
        ReadGrants(response, position, grants);
        return (read with { Epoch = epoch, IsPartial = grants.Count == RedisGrantLogStore.MaxEntries }).WithGrants(grants);
    }
}
