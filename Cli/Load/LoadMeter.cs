using System.Collections.Concurrent;
using Actors.Cli.Output;
using HdrHistogram;

namespace Actors.Cli.Load;

/// <summary>Counts and times the calls of a load. Safe for concurrent use.</summary>
internal sealed class LoadMeter(TimeProvider time)
{
    private static readonly long LongestMicroseconds = (long)TimeSpan.FromHours(1).TotalMicroseconds;

    private readonly long _began = time.GetTimestamp();
    private readonly ConcurrentDictionary<string, long> _failures = new(StringComparer.Ordinal);
    private readonly LongConcurrentHistogram _latency = new(1, LongestMicroseconds, 3);
    private long _ended;

    public long Succeeded => _latency.TotalCount;

    public long Failed => _failures.Values.Sum();

    public TimeSpan Elapsed => _ended == 0 ? time.GetElapsedTime(_began) : time.GetElapsedTime(_began, _ended);

    public double PerSecond => Succeeded / Math.Max(0.001, Elapsed.TotalSeconds);

    public IReadOnlyDictionary<string, long> Failures => _failures;

    /// <summary>Where a call begins that <see cref="Success"/> ends.</summary>
    public long Start() => time.GetTimestamp();

    public void Success(long started) => _latency.RecordValue(
        Math.Clamp((long)time.GetElapsedTime(started).TotalMicroseconds, 1, LongestMicroseconds));

    public void Failure(Exception exception) => _failures.AddOrUpdate(exception.GetType().Name, 1, (_, count) => count + 1);

    /// <summary>Stops the clock.</summary>
    public void End() => _ended = time.GetTimestamp();

    public TimeSpan Latency(double percentile) => Succeeded == 0
        ? TimeSpan.Zero
        : TimeSpan.FromMicroseconds(_latency.GetValueAtPercentile(percentile));

    /// <summary>Where the load is, on one line.</summary>
    public string Describe(string calls) =>
        $"{Elapsed.TotalSeconds,4:0} s  {Text.Of(Succeeded)} {calls}  {Text.Of((long)PerSecond)}/s  " +
        $"p50 {Text.Of(Latency(50))}  p99 {Text.Of(Latency(99))}" + (Failed == 0 ? "" : $"  {Text.Of(Failed)} failed");

    /// <summary>What the load came to, for people.</summary>
    public void Write(Terminal terminal, string calls)
    {
        terminal.WriteLine(
            $"{Text.Of(Succeeded)} {calls} in {Text.Of(Elapsed)}: {Text.Of((long)PerSecond)}/s, latency p50 {Text.Of(Latency(50))}, " +
            $"p99 {Text.Of(Latency(99))}, longest {Text.Of(Latency(100))}");
        foreach (var (error, count) in _failures.OrderByDescending(f => f.Value))
            terminal.WriteLine($"{Text.Of(count)} failed with {error}");
    }

    /// <summary>The same for scripts.</summary>
    public Dictionary<string, object> ToJson() => new()
    {
        ["seconds"] = Math.Round(Elapsed.TotalSeconds, 3),
        ["succeeded"] = Succeeded,
        ["perSecond"] = Math.Round(PerSecond, 1),
        ["p50Ms"] = Latency(50).TotalMilliseconds,
        ["p99Ms"] = Latency(99).TotalMilliseconds,
        ["longestMs"] = Latency(100).TotalMilliseconds,
        ["failed"] = Failed,
        ["failures"] = Failures,
    };
}
