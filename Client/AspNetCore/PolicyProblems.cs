using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Actors;

/// <summary>
/// Says which policies of the app the cluster cannot apply, and what to set. That is an error of configuration that lasts until
/// somebody acts, so it is repeated, but not for each request.
/// </summary>
internal sealed partial class PolicyProblems(ILogger<PolicyProblems> logger, TimeProvider? time = null)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly TimeProvider _time = time ?? TimeProvider.System;

    // When each was last reported; there are as many as the app has policies.
    private readonly ConcurrentDictionary<string, long> _reported = new(StringComparer.Ordinal);

    /// <summary>Logs it, unless it was logged a moment ago.</summary>
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
        EventId = 1, Level = LogLevel.Error,
        Message = "Endpoints limited by policy {Policy} answer 503: {Reason} What a policy allows is set in the configuration of the silos, "
            + "under Actors:RateLimits:Policies, and counts at once")]
    private partial void LogProblem(string policy, string reason, Exception error);
}
