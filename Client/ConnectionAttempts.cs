using Actors.Redis;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Actors;

/// <summary>
/// Decides how long the start of a client goes on trying, and says in plain words what it failed on. Without it a client
/// started together with its cluster would fail, and one started without would say so in Orleans' words.
/// </summary>
internal sealed partial class ConnectionAttempts(
    IOptions<ActorsClientOptions> options, ClusterLocation location, GatewayFinder gateways, ClusterConnection connection,
    ILogger<ConnectionAttempts> logger, TimeProvider? time = null) : IClientConnectionRetryFilter
{
    private const int ShownGateways = 5;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan DiagnosisLimit = TimeSpan.FromSeconds(3);

    // In the background nobody waits for the next attempt, and it may go on for days.
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time = time ?? TimeProvider.System;

    // From before the first attempt, which alone may take as long as Redis is given to answer.
    private readonly long _began = (time ?? TimeProvider.System).GetTimestamp();

    // Attempts are made one after the other.
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

    /// <summary>More than the driver says, which gives one reason for a wrong password, a wrong certificate and TLS on one side only; else null.</summary>
    private async Task<string?> DiagnoseAsync(Exception exception)
    {
        if (HasEmbeddedEnded || location.Redis is not { } redis || exception is not RedisConnectionException error) return null;
        var found = await RedisDiagnosis.OfAsync(redis, error, RedisFailure.Reason(error), DiagnosisLimit);
        return found.Advice is { } advice
            ? $"Redis at {location.Address} (from {location.Source}) cannot be used: {found.Reason}. {advice}."
            : $"Redis at {location.Address} (from {location.Source}) cannot be reached: {found.Reason}. {Otherwise()}";
    }

    // Another silo that joined it may still be there.
    private bool HasEmbeddedEnded => location.Embedded is { } embedded && !embedded.IsRunning() && !gateways.IsWithoutRedis;

    private string Explain(Exception exception)
    {
        if (HasEmbeddedEnded)
        {
            return $"The embedded silo of {location.Embedded!.File} (process {location.Embedded.ProcessId}) does not run any more. " +
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

    /// <summary>What became of the other ways to the silos, or that there are such ways.</summary>
    private string Otherwise() => gateways.Unanswered.Count > 0
        ? $"Of the gateways that are known otherwise none answers: {Shown(gateways.Unanswered)}."
        : $"To connect without it, name the gateway of a silo: {ActorsClientOptions.SectionName}:{nameof(ActorsClientOptions.Gateways)}, "
            + "on the command line --gateway host:port.";

    private static string Shown(IReadOnlyCollection<string> gateways) =>
        string.Join(", ", gateways.Take(ShownGateways)) + (gateways.Count > ShownGateways ? ", …" : "");

    [LoggerMessage(EventId = 7021, Level = LogLevel.Warning, Message = "Not connected to the cluster yet, and trying on: {Reason}")]
    private static partial void LogNotConnected(ILogger logger, string reason);
}
