namespace Actors.Redis;

/// <summary>This machine's clock is off by more than is allowed; the message says by how much, and against which.</summary>
/// <param name="message">The message.</param>
public sealed class ClockSkewException(string message) : Exception(message);
