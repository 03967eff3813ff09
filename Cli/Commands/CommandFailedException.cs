namespace Actors.Cli.Commands;

/// <summary>The command was understood and tried, and ends with this exit code for this reason.</summary>
internal sealed class CommandFailedException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
