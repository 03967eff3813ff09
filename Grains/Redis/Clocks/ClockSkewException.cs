namespace Actors.Redis;

/// <summary>This machine's clock is off by more than the limit. The message states the difference and the other clock.</summary>
/// <param name="message">The message.</param>
public sealed class ClockSkewException(string message) : Exception(message);
