using Actors.Redis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors;

/// <summary>
/// Decides how long the start of a client retries, and explains failures in plain words. Without it, a client that starts together
/// with its cluster would fail, and the error would be one of Orleans.
/// </summary>
internal sealed partial class ConnectionAttempts(
    IOptions<ActorsClientOptions> options, ClusterLocation location, GatewayFinder gateways, ClusterConnection connection,
    ILogger<ConnectionAttempts> logger, TimeProvider? time = null) : IClientConnectionRetryFilter
{
    private const int ShownGateways = 5;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan DiagnosisLimit = TimeSpan.FromSeconds(3);

    // In the background, no caller waits for the next attempt, and attempts may continue for days.
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time = time ?? TimeProvider.System;

    // Measured from before the first attempt, which alone may take as long as the timeout for Redis.
    private readonly long _began = (time ?? TimeProvider.System).GetTimestamp();

    // Attempts are sequential.
    private TimeSpan _pause = Pause;

    public async Task<bool> ShouldRetryConnectionAttempt(Exception exception, CancellationToken cancellationToken)
    {
        var reason = Explain(exception);
        if (options.Value.ConnectInBackground)
        {
            if (reason != connection.Reason) LogNotConnected(logger, reason);
            connection.Reason = reason;
            await Task.Delay(_pause, _time, cancellationToken);
            _pause = _pause * 2 < LongestPause ? _pause * 2 : LongestPause;
            return true;
        }

        var isHopeless = RedisFailure.IsRefusal(exception) || HasEmbeddedEnded;
        if (isHopeless || _time.GetElapsedTime(_began) >= options.Value.ConnectTimeout)
            throw new ClusterUnreachableException(await DiagnoseAsync(exception) ?? reason, exception) { IsOfStart = true };
        await Task.Delay(Pause, _time, cancellationToken);
        return true;
    }

    /// <summary>Tells wrong passwords, wrong certificates and one-sided TLS apart, for which the driver gives one reason; else null.</summary>
    private async Task<string?> DiagnoseAsync(Exception exception)
    {
        if (HasEmbeddedEnded || location.Redis is not { } redis || exception is not RedisConnectionException error) return null;
        var found = await RedisDiagnosis.OfAsync(redis, error, RedisFailure.Reason(error), DiagnosisLimit);
        return found.Advice is { } advice
            ? $"Redis at {location.Address} (from {location.Source}) cannot be used: {found.Reason}. {advice}."
            : $"Redis at {location.Address} (from {location.Source}) cannot be reached: {found.Reason}. {Otherwise()}";
    }

    // Not if gateways other than Redis' are in use: another silo of the embedded cluster may still be running.
    private bool HasEmbeddedEnded => location.Embedded is { } embedded && !embedded.IsRunning() && !gateways.IsWithoutRedis;

    private string Explain(Exception exception)
    {
        if (HasEmbeddedEnded)
        {
            return $"The embedded silo of {location.Embedded!.File} (process {location.Embedded.ProcessId}) is no longer running. " +
                   "Start it again (dotnet run --project Silo).";
        }

        var cluster = options.Value.ClusterId;
        if (location.Redis is null)
            return $"No silo of cluster '{cluster}' answers at {Shown(options.Value.Gateways)} (from {location.Source}).";
        if (RedisFailure.Explain(exception, location) is { } redis)
            return $"{redis}. {Otherwise()}";
        return exception is SiloUnavailableException
            ? $"Redis at {location.Address} (from {location.Source}) answers, but no silo of cluster '{cluster}' is active in it."
            : $"The silos of cluster '{cluster}' listed in Redis at {location.Address} (from {location.Source}) do not answer.";
    }

    /// <summary>The result of the other ways to find silos, or a hint that they exist.</summary>
    private string Otherwise() => gateways.Unanswered.Count > 0
        ? $"None of the other known gateways answers: {Shown(gateways.Unanswered)}."
        : $"To connect without it, name the gateway of a silo: {ActorsClientOptions.SectionName}:{nameof(ActorsClientOptions.Gateways)}, "
            + "on the command line --gateway host:port.";

    private static string Shown(IReadOnlyCollection<string> gateways) =>
        string.Join(", ", gateways.Take(ShownGateways)) + (gateways.Count > ShownGateways ? ", …" : "");

    [LoggerMessage(EventId = 7021, Level = LogLevel.Warning, Message = "Not connected to the cluster yet; retrying: {Reason}")]
    private static partial void LogNotConnected(ILogger logger, string reason);
}
