namespace Actors;

/// <summary>
/// A client id, request or policy is outside of what is allowed, or no policy of that name is known; the message names the
/// value and what is allowed. Nothing was charged.
/// </summary>
[GenerateSerializer, Alias("Actors.InvalidRateLimitException")]
public sealed class InvalidRateLimitException(string message) : ActorsException(message);
