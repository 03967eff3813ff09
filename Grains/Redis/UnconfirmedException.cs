namespace Actors.Redis;

/// <summary>Redis has carried a write out, and did not say that it is in its log or on its replicas.</summary>
internal sealed class UnconfirmedException(Exception error) : Exception($"a write was not confirmed: {RedisFailures.Reason(error)}");
