namespace Actors.Redis;

/// <summary>
/// Redis did not serve a call: it cannot be reached, did not answer in time, reports that it cannot serve, or its circuit is
/// open. Never reaches callers of grains.
/// </summary>
internal sealed class RedisUnavailableException(RedisRole role, string reason, bool mayHaveHappened)
    : Exception($"Redis ({role.ToString().ToLowerInvariant()}) cannot be used: {reason}")
{
    /// <summary>False if the call certainly changed nothing; true if that is unknown.</summary>
    public bool MayHaveHappened { get; } = mayHaveHappened;
}
