namespace Actors;

/// <summary>
/// A client id, request or policy is out of bounds, or there is no policy of that name. The message names the value and what is
/// allowed. Nothing was charged.
/// </summary>
[GenerateSerializer, Alias("Actors.InvalidRateLimitException")]
public sealed class InvalidRateLimitException(string message) : ActorsException(message);
