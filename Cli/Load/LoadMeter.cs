using System.Collections.Concurrent;
using Actors.Cli.Output;
using HdrHistogram;

namespace Actors.Cli.Load;

/// <summary>Counts and times the calls of a load. Thread-safe.</summary>
/// <param name="time">The clock.</param>
/// <param name="timeline">Also receives each call; may be null.</param>
internal sealed class LoadMeter(TimeProvider time, LoadTimeline? timeline = null)
{
    private static readonly long LongestMicroseconds = (long)TimeSpan.FromHours(1).TotalMicroseconds;

    private readonly long _began = time.GetTimestamp();
    private readonly ConcurrentDictionary<string, long> _failures = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> _firstFailures = new(StringComparer.Ordinal);
    private readonly LongConcurrentHistogram _latency = new(1, LongestMicroseconds, 3);

    // By durability; changed by Interlocked only.
    private readonly long[] _receipts = new long[Enum.GetValues<Durability>().Length];
    private long _longestFailureTicks;
    private long _abandoned;
    private long _ended;

    public long Succeeded => _latency.TotalCount;

    public long Failed => _failures.Values.Sum();

    public TimeSpan Elapsed => _ended == 0 ? time.GetElapsedTime(_began) : time.GetElapsedTime(_began, _ended);

    public double PerSecond => Succeeded / Math.Max(0.001, Elapsed.TotalSeconds);

    public IReadOnlyDictionary<string, long> Failures => _failures;

    /// <summary>Calls abandoned when the load ended, with an unknown outcome.</summary>
    public long Abandoned => Interlocked.Read(ref _abandoned);

    /// <summary>The longest duration of a failed call.</summary>
    public TimeSpan LongestFailure => TimeSpan.FromTicks(Interlocked.Read(ref _longestFailureTicks));

    /// <summary>The durabilities that receipts confirmed.</summary>
    public IReadOnlyDictionary<string, long> Durabilities => Enum.GetValues<Durability>()
        .ToDictionary(Text.Of, durability => Interlocked.Read(ref _receipts[(int)durability]));

    /// <summary>Starts a call that ends with <see cref="Success(long, string?)"/> or <see cref="Failure"/>.</summary>
    public long Start() => time.GetTimestamp();

    /// <summary>Records a successful call, with its outcome if the timeline distinguishes outcomes.</summary>
    public void Success(long started, string? outcome = null)
    {
        _latency.RecordValue(Math.Clamp((long)time.GetElapsedTime(started).TotalMicroseconds, 1, LongestMicroseconds));
        timeline?.Success(started, outcome);
    }

    /// <summary>Records an acknowledged write.</summary>
    public void Success(long started, Durability reached)
    {
        Interlocked.Increment(ref _receipts[(int)reached]);
        Success(started, Text.Of(reached));
    }

    public void Failure(long started, Exception exception)
    {
        var error = exception.GetType().Name;
        _failures.AddOrUpdate(error, 1, (_, count) => count + 1);
        _firstFailures.TryAdd(error, exception.Message.Split('\n')[0].TrimEnd());
        var elapsed = time.GetElapsedTime(started).Ticks;
        for (var longest = Interlocked.Read(ref _longestFailureTicks); elapsed > longest;)
        {
            var seen = Interlocked.CompareExchange(ref _longestFailureTicks, elapsed, longest);
            if (seen == longest)
                break;
            longest = seen;
        }
        timeline?.Failure(started, error);
    }

    public void Abandon() => Interlocked.Increment(ref _abandoned);

    /// <summary>Stops the clock.</summary>
    public void End() => _ended = time.GetTimestamp();

    public TimeSpan Latency(double percentile) => Succeeded == 0
        ? TimeSpan.Zero
        : TimeSpan.FromMicroseconds(_latency.GetValueAtPercentile(percentile));

    /// <summary>The progress of the load, on one line.</summary>
    public string Describe(string calls) =>
        $"{Elapsed.TotalSeconds,4:0} s  {Text.Of(Succeeded)} {calls}  {Text.Of((long)PerSecond)}/s  " +
        $"p50 {Text.Of(Latency(50))}  p99 {Text.Of(Latency(99))}" + (Failed == 0 ? "" : $"  {Text.Of(Failed)} failed");

    /// <summary>Writes the result of the load as text.</summary>
    public void Write(Terminal terminal, string calls)
    {
        terminal.WriteLine(
            $"{Text.Of(Succeeded)} {calls} in {Text.Of(Elapsed)}: {Text.Of((long)PerSecond)}/s, latency p50 {Text.Of(Latency(50))}, " +
            $"p99 {Text.Of(Latency(99))}, longest {Text.Of(Latency(100))}");
        foreach (var (error, count) in _failures.OrderByDescending(f => f.Value))
            terminal.WriteLine($"{Text.Of(count)} failed with {error}");
    }

    /// <summary>The result of the load as JSON.</summary>
    public Dictionary<string, object> ToJson() => new()
    {
        ["seconds"] = Math.Round(Elapsed.TotalSeconds, 3),
        ["succeeded"] = Succeeded,
        ["perSecond"] = Math.Round(PerSecond, 1),
        ["p50Ms"] = Latency(50).TotalMilliseconds,
        ["p99Ms"] = Latency(99).TotalMilliseconds,
        ["longestMs"] = Latency(100).TotalMilliseconds,
        ["failed"] = Failed,
        ["longestFailedMs"] = Math.Round(LongestFailure.TotalMilliseconds, 3),
        ["failures"] = Failures,
        ["firstFailures"] = _firstFailures,
        ["abandoned"] = Abandoned,
    };
}
