namespace Actors.Membership;

/// <summary>Another cluster with the same service id is alive: it owns the rows that this one would take over.</summary>
/// <param name="message">Which one, when it was last seen, and what to do.</param>
public sealed class ServiceInUseException(string message) : Exception(message);
