namespace Actors;

/// <summary>
/// The limiter moved while a call waited for its turn: its silo stops, it moves to another silo, or another activation took over
/// its log. Nothing was charged. The client library retries the call for the rest of its wait.
/// </summary>
[GenerateSerializer, Alias("Actors.LimiterMovedException")]
public sealed class LimiterMovedException(string message) : ActorsException(message);
