namespace Actors;

/// <summary>
/// Where the cluster should be, Redis or the silos do not answer; the message tells which of them, and where they were
/// looked for.
/// </summary>
public sealed class ClusterUnreachableException(string message, Exception? innerException = null)
    : Exception(message, innerException);
