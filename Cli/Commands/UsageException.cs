namespace Actors.Cli.Commands;

/// <summary>The command line is invalid; the message has the value and what is allowed.</summary>
internal sealed class UsageException(string message) : Exception(message);
