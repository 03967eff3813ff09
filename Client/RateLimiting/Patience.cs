namespace Actors;

/// <summary>How long callers wait for the cluster, and how many may wait before they are sent.</summary>
internal sealed record Patience(TimeSpan CallTimeout, int MaxQueued);
