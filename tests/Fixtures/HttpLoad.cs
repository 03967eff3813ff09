using System.Globalization;
using System.Text.Json;

namespace Actors.Fixtures;

/// <summary>The responses to a load of HTTP requests.</summary>
/// <param name="Allowed">Responses 2xx.</param>
/// <param name="Denied">Responses 429.</param>
/// <param name="Unavailable">Responses 503.</param>
/// <param name="Other">All other responses, and requests without a response.</param>
/// <param name="WithoutRetryAfter">Denied or unavailable, without a Retry-After of at least 1.</param>
/// <param name="WithoutRateLimit">Allowed or denied, without RateLimit or RateLimit-Policy.</param>
/// <param name="P50">
/// The median latency in ms; wrk adds the wait of requests that a late response delayed.
/// </param>
/// <param name="P99">The 99th percentile, in ms.</param>
/// <param name="Longest">The maximum, in ms.</param>
/// <param name="Seconds">The duration of the load.</param>
public sealed record HttpLoad(
    long Allowed, long Denied, long Unavailable, long Other, long WithoutRetryAfter, long WithoutRateLimit,
    double P50, double P99, double Longest, double Seconds)
{
    private const string Script =
        """
        local threads = {}
        function setup(thread) table.insert(threads, thread) end
        function init(args)
          allowed, denied, unavailable, other, noretry, nolimit = 0, 0, 0, 0, 0, 0
        end
        function response(status, headers, body)
          local limit = headers["RateLimit"] and headers["RateLimit-Policy"]
          if status >= 200 and status < 300 then
            allowed = allowed + 1
            if not limit then nolimit = nolimit + 1 end
          elseif status == 429 or status == 503 then
            if status == 429 then denied = denied + 1 else unavailable = unavailable + 1 end
            if status == 429 and not limit then nolimit = nolimit + 1 end
            if (tonumber(headers["Retry-After"]) or 0) < 1 then noretry = noretry + 1 end
          else
            other = other + 1
          end
        end
        function done(summary, latency, requests)
          local sum = {}
          for _, name in ipairs({"allowed", "denied", "unavailable", "other", "noretry", "nolimit"}) do
            sum[name] = 0
            for _, thread in ipairs(threads) do sum[name] = sum[name] + thread:get(name) end
          end
          local errors = summary.errors
          sum.other = sum.other + errors.connect + errors.read + errors.write + errors.timeout
          print(string.format(
            'RESULT {"Allowed":%d,"Denied":%d,"Unavailable":%d,"Other":%d,"WithoutRetryAfter":%d,"WithoutRateLimit":%d,"P50":%.3f,"P99":%.3f,"Longest":%.3f,"Seconds":%.3f}',
            sum.allowed, sum.denied, sum.unavailable, sum.other, sum.noretry, sum.nolimit,
            latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000, summary.duration / 1000000))
        end
        """;

    /// <summary>Runs <c>wrk</c> against an address.</summary>
    /// <param name="url">The address.</param>
    /// <param name="header">A header of each request, e.g. "X-Api-Key: ada".</param>
    /// <param name="duration">The duration in whole seconds.</param>
    /// <param name="connections">The number of concurrent requests.</param>
    public static async Task<HttpLoad> RunAsync(Uri url, string header, TimeSpan duration, int connections = 64)
    {
        var wrk = Executables.Find("wrk")
            ?? throw new InvalidOperationException("wrk was not found. Install it: apt-get install wrk (Debian, Ubuntu), brew install wrk (macOS).");
        using var directory = new TemporaryDirectory("wrk");
        var script = directory.File("load.lua");
        await File.WriteAllTextAsync(script, Script);
        using var process = ServerProcess.Start(
            wrk,
            [
                "--threads", "2", "--connections", connections.ToString(CultureInfo.InvariantCulture), "--duration", $"{duration.TotalSeconds:0}s",
                "--timeout", "20s", "--header", header, "--script", script, url.ToString(),
            ],
            directory.Path);
        if (!await process.WaitForExitAsync(duration + TimeSpan.FromMinutes(1))) throw new TimeoutException($"wrk did not exit:\n{process.Output}");

        var result = process.Output.Split('\n').FirstOrDefault(line => line.StartsWith("RESULT ", StringComparison.Ordinal))
            ?? throw new InvalidOperationException($"wrk failed:\n{process.Output}");
        return JsonSerializer.Deserialize<HttpLoad>(result["RESULT ".Length..])!;
    }
}
