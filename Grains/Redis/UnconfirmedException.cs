namespace Actors.Redis;

/// <summary>Redis executed a write but did not confirm that its log or its replicas have it.</summary>
internal sealed class UnconfirmedException(Exception error) : Exception($"a write was not confirmed: {RedisFailures.Reason(error)}");
