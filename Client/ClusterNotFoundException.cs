namespace Actors;

/// <summary>No setting locates the cluster; the message says where the client looked and what to do.</summary>
public sealed class ClusterNotFoundException(string message) : Exception(message)
{
    /// <summary>
    /// Only the message: an app that cannot start prints this, and the stack trace of the host's start adds nothing.
    /// </summary>
    public override string ToString() => Message;
}
