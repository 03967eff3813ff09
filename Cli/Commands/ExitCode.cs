namespace Actors.Cli.Commands;

/// <summary>The exit codes. They are part of the contract with scripts and never change.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    public const int Failed = 1;

    public const int Usage = 2;

    /// <summary>A limiter denied the call.</summary>
    public const int Denied = 3;

    public const int Unavailable = 4;

    /// <summary>Ended by Ctrl-C or SIGTERM; the value that shells use.</summary>
    public const int Interrupted = 130;
}
