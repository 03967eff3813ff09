namespace Actors;

/// <summary>Nothing says where the cluster is; the message tells what was looked for and what to do.</summary>
public sealed class ClusterNotFoundException(string message) : Exception(message);
