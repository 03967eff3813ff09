using System.Text;
using System.Text.Json;

namespace Actors.Harness;

/// <summary>One second of a load: the calls that ended in it.</summary>
public sealed record TimelineSecond(
    DateTimeOffset At, long Second, long Succeeded, long Failed, double P50Ms, double P99Ms, double LongestMs, double LongestFailedMs,
    IReadOnlyDictionary<string, long> Failures, IReadOnlyDictionary<string, long>? Durabilities);

/// <summary>A timeline that a load is writing; each read continues at the last position. Thread-safe.</summary>
internal sealed class TimelineFile(string file)
{
    private static readonly JsonSerializerOptions Web = new(JsonSerializerDefaults.Web);

    // Guards the fields below.
    private readonly Lock _gate = new();
    private readonly List<TimelineSecond> _seconds = [];
    private long _position;

    /// <summary>Returns all complete lines so far.</summary>
    public IReadOnlyList<TimelineSecond> Read()
    {
        lock (_gate)
        {
            if (!File.Exists(file)) return [];
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            stream.Position = _position;
            using var reader = new StreamReader(stream);

            // Text after the last line break is a line that is still being written.
            var lines = reader.ReadToEnd().Split('\n')[..^1];
            _position += lines.Sum(line => Encoding.UTF8.GetByteCount(line) + 1);
            _seconds.AddRange(lines.Select(line => JsonSerializer.Deserialize<TimelineSecond>(line, Web)!));
            return [.. _seconds];
        }
    }
}
