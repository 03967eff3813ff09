using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors;

/// <summary>
/// Decides how long the start of a client goes on trying, and says in plain words what it failed on. Without it a client
/// started together with its cluster would fail, and one started without would say so in Orleans' words.
/// </summary>
internal sealed class ConnectionAttempts(
    IOptions<ActorsClientOptions> options, ClusterLocation location, TimeProvider? time = null) : IClientConnectionRetryFilter
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private long? _firstFailure;

    public async Task<bool> ShouldRetryConnectionAttempt(Exception exception, CancellationToken cancellationToken)
    {
        _firstFailure ??= _time.GetTimestamp();
        var isHopeless = location.Embedded is { } embedded && !embedded.IsRunning();
        if (isHopeless || _time.GetElapsedTime(_firstFailure.Value) >= options.Value.ConnectTimeout)
            throw new ClusterUnreachableException(Explain(exception), exception);
        await Task.Delay(Pause, _time, cancellationToken);
        return true;
    }

    private string Explain(Exception exception)
    {
        if (location.Embedded is { } embedded && !embedded.IsRunning())
        {
            return $"The embedded silo of {embedded.File} (process {embedded.ProcessId}) does not run any more. " +
                   "Start it again (dotnet run --project Silo).";
        }

        var cluster = options.Value.ClusterId;
        return exception switch
        {
            RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure } =>
                $"Redis at {location.Address} (from {location.Source}) refuses the user name or password.",
            RedisServerException server =>
                $"Redis at {location.Address} (from {location.Source}) answered: {server.Message}",
            RedisConnectionException connection =>
                $"Redis at {location.Address} (from {location.Source}) cannot be reached: {connection.FailureType}.",
            RedisTimeoutException or RedisException =>
                $"Redis at {location.Address} (from {location.Source}) does not answer.",
            SiloUnavailableException =>
                $"Redis at {location.Address} (from {location.Source}) answers, but no silo of cluster '{cluster}' is active in it.",
            _ =>
                $"The silos of cluster '{cluster}' listed in Redis at {location.Address} (from {location.Source}) do not answer.",
        };
    }
}
