namespace Actors;

/// <summary>The address does not belong to an active silo; the message lists the active ones.</summary>
[GenerateSerializer, Alias("Actors.SiloNotFoundException")]
public sealed class SiloNotFoundException(string message) : ActorsException(message);
