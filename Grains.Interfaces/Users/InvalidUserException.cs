namespace Actors;

/// <summary>A user id, patch or option is out of bounds; the message names the value and the limit.</summary>
[GenerateSerializer, Alias("Actors.InvalidUserException")]
public sealed class InvalidUserException(string message) : ActorsException(message);
