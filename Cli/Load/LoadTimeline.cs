using System.Text.Json;
using Actors.Cli.Output;
using HdrHistogram;

namespace Actors.Cli.Load;

/// <summary>
/// Writes one JSON line per second of a load while it runs: successes, failures and latencies. A call counts in the second it
/// ended in. The last line is the second in which the load ended, if a call ended in it. The file is complete only after
/// <see cref="CompleteAsync"/> returns. Thread-safe.
/// </summary>
internal sealed class LoadTimeline : IAsyncDisposable
{
    private const int Digits = 2;
    private static readonly long LongestMicroseconds = (long)TimeSpan.FromHours(1).TotalMicroseconds;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    private readonly TimeProvider _time;
    private readonly LoadOutcomes? _outcomes;
    private readonly DateTimeOffset _beganAt;
    private readonly long _began;
    private readonly StreamWriter _file;
    private readonly CancellationTokenSource _end = new();
    private readonly Task _writing;

    // Guards the fields below and the reading of the clock, so no call is added to a closed second.
    private readonly Lock _gate = new();
    private readonly LongHistogram _latency = new(1, LongestMicroseconds, Digits);
    private readonly Dictionary<string, long> _failures = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _counts = new(StringComparer.Ordinal);
    private TimeSpan _longestFailure;
    private long _second;

    // Written out several times per second. One entry per second, so the length of the load bounds it.
    private readonly Queue<string> _closed = new();

    /// <summary>Starts a new file, overwrites an existing one, and starts the first second now.</summary>
    /// <param name="file">The file to write.</param>
    /// <param name="outcomes">The outcomes to group successful calls by; may be null.</param>
    /// <param name="time">The clock.</param>
    public LoadTimeline(string file, LoadOutcomes? outcomes, TimeProvider time)
    {
        _time = time;
        _outcomes = outcomes;
        _file = new(new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.Read));
        Clear();
        (_beganAt, _began) = (time.GetUtcNow(), time.GetTimestamp());
        _writing = Task.Run(WriteAllAsync);
    }

    public void Success(long started, string? outcome)
    {
        lock (_gate)
        {
            var now = Advance();
            _latency.RecordValue(Math.Clamp((long)_time.GetElapsedTime(started, now).TotalMicroseconds, 1, LongestMicroseconds));
            if (outcome is not null)
                Count(_counts, outcome);
        }
    }

    public void Failure(long started, string error)
    {
        lock (_gate)
        {
            var elapsed = _time.GetElapsedTime(started, Advance());
            if (elapsed > _longestFailure)
                _longestFailure = elapsed;
            Count(_failures, error);
        }
    }

    /// <summary>Writes the remaining seconds and closes the file.</summary>
    /// <exception cref="IOException">The timeline cannot be written.</exception>
    public async Task CompleteAsync()
    {
        await _end.CancelAsync();
        await _writing;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();

        // The caller of CompleteAsync gets the failure.
        await _writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private async Task WriteAllAsync()
    {
        await using var file = _file;
        using var timer = new PeriodicTimer(Look, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_end.Token))
                await WriteClosedAsync(isEnd: false);
        }
        catch (OperationCanceledException)
        {
            await WriteClosedAsync(isEnd: true);
        }
    }

    private async Task WriteClosedAsync(bool isEnd)
    {
        string[] lines;
        lock (_gate)
        {
            Advance();
            if (isEnd && _latency.TotalCount + _failures.Count > 0)
                Close();
            lines = [.. _closed];
            _closed.Clear();
        }
        foreach (var line in lines)
            await _file.WriteLineAsync(line);
        if (lines.Length > 0)
            await _file.FlushAsync();
    }

    /// <summary>Closes the seconds that have ended, including those without calls. Returns the current time.</summary>
    private long Advance()
    {
        var now = _time.GetTimestamp();
        for (var second = (long)_time.GetElapsedTime(_began, now).TotalSeconds; _second < second;)
            Close();
        return now;
    }

    private void Close()
    {
        var line = new Dictionary<string, object>
        {
            ["at"] = Text.Of(_beganAt.AddSeconds(_second)),
            ["second"] = _second,
            ["succeeded"] = _latency.TotalCount,
            ["failed"] = _failures.Values.Sum(),
            ["p50Ms"] = Milliseconds(50),
            ["p99Ms"] = Milliseconds(99),
            ["longestMs"] = Milliseconds(100),
            ["longestFailedMs"] = Math.Round(_longestFailure.TotalMilliseconds, 3),
            ["failures"] = _failures,
        };
        if (_outcomes is not null)
            line[_outcomes.Name] = _counts;
        _closed.Enqueue(JsonSerializer.Serialize(line, Json.Line));
        _second++;
        Clear();
    }

    private void Clear()
    {
        _latency.Reset();
        _failures.Clear();
        _longestFailure = TimeSpan.Zero;
        _counts.Clear();
        foreach (var outcome in _outcomes?.Usual ?? [])
            _counts[outcome] = 0;
    }

    private double Milliseconds(double percentile) =>
        _latency.TotalCount == 0 ? 0 : _latency.GetValueAtPercentile(percentile) / 1000.0;

    private static void Count(Dictionary<string, long> counts, string name) => counts[name] = counts.GetValueOrDefault(name) + 1;
}
