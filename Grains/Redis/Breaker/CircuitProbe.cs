namespace Actors.Redis;

/// <summary>A probe in flight. Its result counts only while it is the current probe.</summary>
/// <param name="Began">When the probe began.</param>
internal sealed record CircuitProbe(long Began);
