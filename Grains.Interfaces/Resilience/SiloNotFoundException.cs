namespace Actors;

/// <summary>The address given is not that of an active silo; the message names those that are.</summary>
[GenerateSerializer, Alias("Actors.SiloNotFoundException")]
public sealed class SiloNotFoundException(string message) : ActorsException(message);
