namespace Actors;

/// <summary>
/// The silo that received the call was declared dead by the others, because it had not run or could not be reached, and is about
/// to end. It did nothing. The client library makes the call again by itself, on another silo.
/// </summary>
[GenerateSerializer, Alias("Actors.SiloEvictedException")]
public sealed class SiloEvictedException(string message) : ActorsException(message);
