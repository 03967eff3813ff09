namespace Actors.Fixtures;

/// <summary>The numbers of the signals that tests send.</summary>
public static class Signals
{
    public const int Interrupt = 2;

    public const int Kill = 9;

    public const int Terminate = 15;

    /// <summary>SIGSTOP: the process keeps its connections but does not respond.</summary>
    public static int Stop => OperatingSystem.IsMacOS() ? 17 : 19;

    public static int Continue => OperatingSystem.IsMacOS() ? 19 : 18;
}
