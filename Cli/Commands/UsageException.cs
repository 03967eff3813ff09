namespace Actors.Cli.Commands;

/// <summary>The command cannot be carried out as it was typed; the message names the value and what is allowed.</summary>
internal sealed class UsageException(string message) : Exception(message);
