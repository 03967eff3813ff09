namespace Actors;

/// <summary>
/// The names of the metrics of calls that travel together (OpenTelemetry). Stable: dashboards and alerts depend on them.
/// </summary>
public static class CoalescingTelemetry
{
    /// <summary>The meter of all instruments below.</summary>
    public const string MeterName = RateLimitClientTelemetry.MeterName;

    /// <summary>Histogram, {call}: calls per message to a silo; its count is the number of messages.</summary>
    public const string MessageCalls = "actors.client.message_calls";

    /// <summary>Histogram, s: how long the first call of a message waited for it to be sent.</summary>
    public const string MessageWait = "actors.client.message_wait";

    /// <summary>Counter, {call}: calls that a silo sent on to another, where their grain was; without those that took over 5 ms.</summary>
    public const string ForwardedCalls = "actors.client.message_forwarded_calls";

    /// <summary>
    /// Counter, {call}: calls that must not be repeated and that a silo returned, since it could not run them as turns: mostly the first
    /// call of a grain. Each was made by itself.
    /// </summary>
    public const string ReturnedCalls = "actors.client.message_returned_calls";

    /// <summary>Counter, {call}: calls whose message failed. Each was made again alone, or reported.</summary>
    public const string FailedCalls = "actors.client.message_failed_calls";
}
