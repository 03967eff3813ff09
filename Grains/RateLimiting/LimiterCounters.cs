using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Actors.Core;

namespace Actors.RateLimiting;

/// <summary>The source of a decision.</summary>
internal enum DecidedBy
{
    /// <summary>The script in Redis.</summary>
    Redis,

    /// <summary>The silo, from permits that Redis had reserved.</summary>
    Reserve,

    /// <summary>The owner's exact copy of the log, which showed that the window is full while Redis was reachable.</summary>
    Mirror,

    /// <summary>The silo alone, as the policy says for when Redis is unreachable.</summary>
    Local,
}

/// <summary>The outcome of a call.</summary>
internal enum Outcome
{
    Allowed,
    Denied,
    ShadowDenied,
}

/// <summary>
/// The counters of this silo's limiters since it started. Any thread adds with interlocked operations; each value is read
/// atomically, but not all at one instant.
/// </summary>
internal sealed class LimiterCounters(ConfiguredPolicies policies, IMeterFactory? meters = null)
{
    /// <summary>The label for clients' own policies, whose number is unbounded.</summary>
    private const string Own = "(own)";

    private static readonly int Sources = Enum.GetValues<DecidedBy>().Length;

    private readonly Histogram<double>? _scripts = meters?.Create(ActorsTelemetry.MeterName).CreateHistogram(
        ActorsTelemetry.LimitScriptDuration, "s", "How long a script call of the limiters took.", tags: null,
        new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
        });

    private readonly ConcurrentDictionary<string, long[]> _decisions = [];
    private long _clients;
    private long _waiting;
    private long _unsynced;
    private long _bytes;
    private long _scriptCalls;
    private long _questions;

    /// <summary>Limited clients on the silo.</summary>
    public long Clients => Volatile.Read(ref _clients);

    /// <summary>Waiting calls.</summary>
    public long Waiting => Volatile.Read(ref _waiting);

    /// <summary>Logs with grants that are not in Redis.</summary>
    public long Unsynced => Volatile.Read(ref _unsynced);

    /// <summary>Memory of the limited clients, including handoffs of activations that ended.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    public long ScriptCalls => Volatile.Read(ref _scriptCalls);

    /// <summary>Client requests carried by script calls; one script call carries one per client.</summary>
    public long Questions => Volatile.Read(ref _questions);

    /// <summary>Decisions by policy, outcome and source.</summary>
    public IEnumerable<(string Policy, Outcome Outcome, DecidedBy By, long Count)> Decisions => _decisions.SelectMany(policy =>
        Enum.GetValues<Outcome>().SelectMany(outcome => Enum.GetValues<DecidedBy>().Select(source =>
            (policy.Key, outcome, source, Volatile.Read(ref policy.Value[Index(outcome, source)])))));

    public void Decided(string policy, Outcome outcome, DecidedBy source, int calls)
    {
        if (calls > 0) Interlocked.Add(ref CountsOf(policy)[Index(outcome, source)], calls);
    }

    public void ScriptAnswered(int questions, TimeSpan elapsed)
    {
        Interlocked.Increment(ref _scriptCalls);
        Interlocked.Add(ref _questions, questions);
        _scripts?.Record(elapsed.TotalSeconds);
    }

    public void AddClients(int more) => Interlocked.Add(ref _clients, more);

    public void AddWaiting(int more) => Interlocked.Add(ref _waiting, more);

    public void AddUnsynced(int more) => Interlocked.Add(ref _unsynced, more);

    public void AddBytes(long more) => Interlocked.Add(ref _bytes, more);

    private static int Index(Outcome outcome, DecidedBy source) => ((int)outcome * Sources) + (int)source;

    private long[] CountsOf(string policy)
    {
        if (_decisions.TryGetValue(policy, out var counts)) return counts;
        return _decisions.GetOrAdd(policies.Find(policy) is null ? Own : policy, static _ => new long[Enum.GetValues<Outcome>().Length * Sources]);
    }
}
