namespace Actors;

/// <summary>
/// The silo that received the call was declared dead by the others, because it was paused or unreachable, and is about to stop.
/// The call had no effect. The client library retries it on another silo.
/// </summary>
[GenerateSerializer, Alias("Actors.SiloEvictedException")]
public sealed class SiloEvictedException(string message) : ActorsException(message);
