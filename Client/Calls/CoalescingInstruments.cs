using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Actors.Calls;

/// <summary>Records the metrics of <see cref="CoalescingTelemetry"/>; costs almost nothing without a listener.</summary>
internal static class CoalescingInstruments
{
    private static readonly Meter Meter = new(CoalescingTelemetry.MeterName);

    private static readonly Histogram<int> MessageCalls =
        Meter.CreateHistogram<int>(CoalescingTelemetry.MessageCalls, "{call}", "Calls per message to a silo.");

    private static readonly Histogram<double> MessageWait =
        Meter.CreateHistogram<double>(CoalescingTelemetry.MessageWait, "s", "How long the first call of a message waited for it to be sent.");

    private static readonly Counter<long> ForwardedCalls =
        Meter.CreateCounter<long>(CoalescingTelemetry.ForwardedCalls, "{call}", "Calls of a message that went on to another silo.");

    private static readonly Counter<long> ReturnedCalls =
        Meter.CreateCounter<long>(CoalescingTelemetry.ReturnedCalls, "{call}", "Calls of a message that the silo returned, and that the app made alone.");

    private static readonly Counter<long> FailedCalls =
        Meter.CreateCounter<long>(CoalescingTelemetry.FailedCalls, "{call}", "Calls of a message that failed on its way.");

    public static void Sent(CoalescedCall[] calls)
    {
        MessageCalls.Record(calls.Length);
        if (MessageWait.Enabled) MessageWait.Record(Stopwatch.GetElapsedTime(calls[0].Began).TotalSeconds);
    }

    public static void Forwarded(int calls) => ForwardedCalls.Add(calls);

    public static void Returned(int calls) => ReturnedCalls.Add(calls);

    public static void Failed(int calls) => FailedCalls.Add(calls);
}
