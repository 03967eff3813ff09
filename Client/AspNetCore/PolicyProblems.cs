using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Actors;

/// <summary>
/// Logs which policies of the app the cluster cannot apply, and what to set. The problem lasts until the configuration is fixed, so
/// it is repeated, but not for each request.
/// </summary>
internal sealed partial class PolicyProblems(ILogger<PolicyProblems> logger, TimeProvider? time = null)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly TimeProvider _time = time ?? TimeProvider.System;

    // When each policy was last reported; bounded by the app's policies.
    private readonly ConcurrentDictionary<string, long> _reported = new(StringComparer.Ordinal);

    /// <summary>Logs the problem, unless it was logged within the interval.</summary>
    public void Report(string policy, Exception error)
    {
        var now = _time.GetTimestamp();
        if (_reported.TryGetValue(policy, out var before))
        {
            if (_time.GetElapsedTime(before, now) < Interval || !_reported.TryUpdate(policy, now, before)) return;
        }
        else if (!_reported.TryAdd(policy, now))
        {
            return;
        }

        LogProblem(policy, error.Message, error);
    }

    [LoggerMessage(
        EventId = 7043, Level = LogLevel.Error,
        Message = "Endpoints limited by policy {Policy} answer 503: {Reason} Policies are set in the configuration of the silos, "
            + "under Actors:RateLimits:Policies, and take effect at once")]
    private partial void LogProblem(string policy, string reason, Exception error);
}
