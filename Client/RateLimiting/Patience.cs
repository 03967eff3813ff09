namespace Actors;

/// <summary>The maximum time a caller waits for the cluster, and the maximum number of calls that wait to be sent.</summary>
internal sealed record Patience(TimeSpan CallTimeout, int MaxQueued);
