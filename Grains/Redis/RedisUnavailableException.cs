namespace Actors.Redis;

/// <summary>
/// Redis did not serve a call: it cannot be reached, did not answer in time, says that it cannot serve, or is not being
/// called at present. Never reaches callers of grains.
/// </summary>
internal sealed class RedisUnavailableException(RedisRole role, string reason, bool mayHaveHappened)
    : Exception($"Redis ({role.ToString().ToLowerInvariant()}) cannot be used: {reason}")
{
    /// <summary>False where the call certainly changed nothing; true where nobody knows.</summary>
    public bool MayHaveHappened { get; } = mayHaveHappened;
}
