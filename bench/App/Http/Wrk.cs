using System.ComponentModel;
using System.Globalization;
using System.Text.Json;
using Actors.Fixtures;

namespace Actors.Bench.App.Http;

/// <summary>The result of a load by wrk.</summary>
/// <param name="Requests">All requests that were answered.</param>
/// <param name="Refused">Those answered with a status of 400 or more.</param>
/// <param name="Failed">Requests without an answer.</param>
/// <param name="P50">The median latency, in ms.</param>
/// <param name="P99">The 99th percentile, in ms.</param>
/// <param name="Seconds">The duration.</param>
internal sealed record WrkResult(long Requests, long Refused, long Failed, double P50, double P99, double Seconds)
{
    /// <summary>The requests that were granted; the endpoint answers no redirects.</summary>
    public long Granted => Requests - Refused;
}

/// <summary>
/// Runs wrk with the keys in rotation. It has no callback for responses, because that would parse the headers of each in Lua and
/// make wrk the bottleneck.
/// </summary>
internal static class Wrk
{
    private const string Marker = "RESULT ";

    private const string Script =
        """
        local threads = 0
        function setup(thread)
          thread:set("offset", threads * {clients} / 2)
          threads = threads + 1
        end
        local requests, following = {}, 0
        function init(args)
          for i = 0, {clients} - 1 do
            requests[i] = wrk.format("GET", "/", { ["{header}"] = string.format("key-%05d", i) })
          end
          following = math.floor(offset)
        end
        function request()
          following = (following + 1) % {clients}
          return requests[following]
        end
        function done(summary, latency, requests)
          local errors = summary.errors
          print(string.format(
            'RESULT {"Requests":%d,"Refused":%d,"Failed":%d,"P50":%.3f,"P99":%.3f,"Seconds":%.3f}',
            summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
            latency:percentile(50) / 1000, latency:percentile(99) / 1000, summary.duration / 1000000))
        end
        """;

    public static async Task<WrkResult> RunAsync(string url, TimeSpan duration)
    {
        using var directory = new TemporaryDirectory("wrk");
        var script = directory.File("keys.lua");
        await File.WriteAllTextAsync(script, Script
            .Replace("{clients}", AppLimit.Many.Clients.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace("{header}", HttpApp.Header, StringComparison.Ordinal));
        string[] command = ["wrk", "-t2", "-c64", $"-d{Math.Max(1, duration.TotalSeconds):0}s", "--timeout", "20s", "--script", script, url];
        try
        {
            var run = await ProgramRun.RunCommandAsync(command, directory.Path, new Dictionary<string, string>(), duration + TimeSpan.FromMinutes(1));
            var result = run.Output.Split('\n').FirstOrDefault(line => line.StartsWith(Marker, StringComparison.Ordinal))
                ?? throw new InvalidOperationException($"wrk failed:\n{run}");
            return JsonSerializer.Deserialize<WrkResult>(result[Marker.Length..])!;
        }
        catch (Win32Exception)
        {
            throw new InvalidOperationException("wrk was not found. Install it: apt-get install wrk (Debian, Ubuntu), brew install wrk (macOS).");
        }
    }
}
