namespace Actors.Cli.Commands;

/// <summary>A valid command failed; carries the exit code and the reason.</summary>
internal sealed class CommandFailedException(int exitCode, string message) : Exception(message)
{
    public int ExitCode { get; } = exitCode;
}
