namespace Actors.Redis;

/// <summary>
/// The system's clock in steps of some milliseconds, read in a quarter of the time: enough to tell seconds of silence, and
/// what a call to a circuit costs is mostly the reading of clocks.
/// </summary>
internal sealed class CoarseClock : TimeProvider
{
    private static readonly CoarseClock Instance = new();

    private CoarseClock()
    {
    }

    public override long TimestampFrequency => 1000;

    /// <summary>Coarse where <paramref name="clock"/> is the system's; any other is left as it is.</summary>
    public static TimeProvider Of(TimeProvider clock) => ReferenceEquals(clock, System) ? Instance : clock;

    public override long GetTimestamp() => Environment.TickCount64;
}
