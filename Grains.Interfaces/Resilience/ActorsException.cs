namespace Actors;

/// <summary>The base of all errors that the grains report. Any other error that reaches a caller is a defect or comes from Orleans.</summary>
/// <remarks>
/// No inner exceptions: a client need not reference the types of a database driver. The driver's message is part of the message.
/// </remarks>
[GenerateSerializer, Alias("Actors.ActorsException")]
public abstract class ActorsException(string message) : Exception(message);
