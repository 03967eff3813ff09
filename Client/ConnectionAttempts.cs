using System.Net.Sockets;
using Actors.Resilience;
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
    private static readonly TimeSpan DiagnosisLimit = TimeSpan.FromSeconds(3);

    private readonly TimeProvider _time = time ?? TimeProvider.System;

    // From before the first attempt, which alone may take as long as Redis is given to answer.
    private readonly long _began = (time ?? TimeProvider.System).GetTimestamp();

    public async Task<bool> ShouldRetryConnectionAttempt(Exception exception, CancellationToken cancellationToken)
    {
        var isHopeless = exception is RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure }
            || (location.Embedded is { } embedded && !embedded.IsRunning());
        if (isHopeless || _time.GetElapsedTime(_began) >= options.Value.ConnectTimeout)
        {
            // The driver says the same of a wrong password and of a wrong certificate.
            var diagnosis = exception is RedisConnectionException connection
                ? await RedisDiagnosis.OfAsync(location.Redis, connection, Reason(connection), DiagnosisLimit)
                : null;
            throw new ClusterUnreachableException(Explain(exception, diagnosis), exception);
        }

        await Task.Delay(Pause, _time, cancellationToken);
        return true;
    }

    private string Explain(Exception exception, RedisDiagnosis? diagnosis)
    {
        if (location.Embedded is { } embedded && !embedded.IsRunning())
        {
            return $"The embedded silo of {embedded.File} (process {embedded.ProcessId}) does not run any more. " +
                   "Start it again (dotnet run --project Silo).";
        }

        var cluster = options.Value.ClusterId;
        return exception switch
        {
            RedisConnectionException when diagnosis?.Advice is { } advice =>
                $"Redis at {location.Address} (from {location.Source}) cannot be used: {diagnosis.Reason}. {advice}.",
            RedisServerException server =>
                $"Redis at {location.Address} (from {location.Source}) answered: {server.Message}",
            RedisConnectionException connection =>
                $"Redis at {location.Address} (from {location.Source}) cannot be reached: {diagnosis?.Reason ?? Reason(connection)}.",
            RedisTimeoutException or RedisException =>
                $"Redis at {location.Address} (from {location.Source}) does not answer.",
            SiloUnavailableException =>
                $"Redis at {location.Address} (from {location.Source}) answers, but no silo of cluster '{cluster}' is active in it.",
            _ =>
                $"The silos of cluster '{cluster}' listed in Redis at {location.Address} (from {location.Source}) do not answer.",
        };
    }

    /// <summary>What the network said, where it said anything.</summary>
    private static string Reason(RedisConnectionException exception)
    {
        for (Exception? inner = exception; inner is not null; inner = inner.InnerException)
        {
            if (inner is SocketException { Message: var message })
                return message;
        }
        return exception.FailureType.ToString();
    }
}
