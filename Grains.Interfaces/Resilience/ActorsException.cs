namespace Actors;

/// <summary>The base of all errors that the grains report; anything else reaching a caller is a defect or Orleans' own.</summary>
/// <remarks>
/// None has an inner exception: a client has no use for the types of a database driver, and need not have them. What the
/// driver said is part of the message.
/// </remarks>
[GenerateSerializer, Alias("Actors.ActorsException")]
public abstract class ActorsException(string message) : Exception(message);
