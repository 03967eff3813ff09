namespace Actors.Cli.Commands;

/// <summary>What the process returns; part of the contract with scripts, so never renumbered.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    public const int Failed = 1;

    public const int Usage = 2;

    /// <summary>A limiter said no.</summary>
    public const int Denied = 3;

    public const int Unavailable = 4;

    /// <summary>Ended by Ctrl-C or SIGTERM, as shells have it.</summary>
    public const int Interrupted = 130;
}
