namespace Actors;

/// <summary>Nothing says where the cluster is; the message tells what was looked for and what to do.</summary>
public sealed class ClusterNotFoundException(string message) : Exception(message)
{
    /// <summary>
    /// The message alone: an app that cannot start shows this, and where in the start of the host it happened tells nothing more.
    /// </summary>
    public override string ToString() => Message;
}
