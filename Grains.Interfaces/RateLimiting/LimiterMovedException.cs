namespace Actors;

/// <summary>
/// The limiter moved while a call waited for its turn (its silo stops, it goes to another silo, or another activation has taken
/// its log over); nothing was charged. The client library repeats the call by itself, for what is left of its wait.
/// </summary>
[GenerateSerializer, Alias("Actors.LimiterMovedException")]
public sealed class LimiterMovedException(string message) : ActorsException(message);
