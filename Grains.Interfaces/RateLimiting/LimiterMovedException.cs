namespace Actors;

/// <summary>
/// The silo stopped while a call waited for its turn; nothing was charged. The client library makes the call again by itself,
/// for what is left of its wait.
/// </summary>
[GenerateSerializer, Alias("Actors.LimiterMovedException")]
public sealed class LimiterMovedException(string message) : ActorsException(message);
