namespace Actors.Fixtures;

/// <summary>The numbers of the signals that tests send.</summary>
public static class Signals
{
    /// <summary>SIGINT.</summary>
    public const int Interrupt = 2;

    /// <summary>SIGKILL.</summary>
    public const int Kill = 9;

    /// <summary>SIGTERM.</summary>
    public const int Terminate = 15;

    /// <summary>SIGSTOP: the process keeps its connections and answers nothing.</summary>
    public static int Stop => OperatingSystem.IsMacOS() ? 17 : 19;

    /// <summary>SIGCONT.</summary>
    public static int Continue => OperatingSystem.IsMacOS() ? 19 : 18;
}
