namespace Actors.Redis;

/// <summary>
/// The system clock in steps of some milliseconds. Reading it takes a quarter of the time of the precise clock, and reading
/// clocks is most of what the circuit costs a call. The precision suffices to measure seconds of silence.
/// </summary>
internal sealed class CoarseClock : TimeProvider
{
    private static readonly CoarseClock Instance = new();

    private CoarseClock()
    {
    }

    public override long TimestampFrequency => 1000;

    /// <summary>Returns the coarse clock if <paramref name="clock"/> is the system's; any other clock is returned unchanged.</summary>
    public static TimeProvider Of(TimeProvider clock) => ReferenceEquals(clock, System) ? Instance : clock;

    public override long GetTimestamp() => Environment.TickCount64;
}
