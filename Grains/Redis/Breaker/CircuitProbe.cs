namespace Actors.Redis;

/// <summary>A probe under way. Its result counts only while it is the one that is waited for.</summary>
/// <param name="Began">When it began.</param>
internal sealed record CircuitProbe(long Began);
