namespace Actors.Membership;

/// <summary>Another cluster with the same service id is alive. It owns the rows that this cluster would take over.</summary>
/// <param name="message">The other cluster, when it was last seen, and what to do.</param>
public sealed class ServiceInUseException(string message) : Exception(message);
