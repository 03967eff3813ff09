using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>Starts and stops the Orleans client with the host, on request in the background without delaying the host.</summary>
internal sealed partial class ConnectionService(
    IClusterClient client, ClusterConnection connection, IOptions<ActorsClientOptions> options, ILogger<ConnectionService> logger)
    : IHostedService, IDisposable
{
    // For the exchange with the silo that follows the attempts to connect.
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(8);

    private static readonly TimeSpan StartEndsWithin = TimeSpan.FromSeconds(1);

    private readonly IHostedService _client = (IHostedService)client;
    private readonly CancellationTokenSource _stop = new();
    private Task _connecting = Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (!options.Value.ConnectInBackground) return ConnectInTimeAsync(cancellationToken);
        _connecting = Task.Run(ConnectInBackgroundAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();

        // A gateway that accepts connections but never answers delays the start, even after cancellation.
        await _connecting.WaitAsync(StartEndsWithin, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        // A client that never connected has nothing to stop, unless its start is still running.
        if (connection.IsOpen || !_connecting.IsCompleted) await _client.StopAsync(cancellationToken);
    }

    public void Dispose() => _stop.Dispose();

    // Orleans itself would wait forever for a gateway that accepts connections but never answers.
    private async Task ConnectInTimeAsync(CancellationToken cancellationToken)
    {
        var connecting = ConnectAsync(cancellationToken);
        try
        {
            await connecting.WaitAsync(options.Value.ConnectTimeout + AnswerLimit, cancellationToken);
        }
        catch (TimeoutException) when (!connecting.IsCompleted)
        {
            throw new ClusterUnreachableException(
                "A gateway accepts connections, but no silo answers there. A silo answers only at the address it advertises "
                + "(Actors:Address, Actors:GatewayPort): use that address, not a forwarded port.")
            { IsOfStart = true };
        }
    }

    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        await _client.StartAsync(cancellationToken);
        connection.Open();
    }

    private async Task ConnectInBackgroundAsync()
    {
        try
        {
            await ConnectAsync(_stop.Token);
            LogConnected(logger);
        }
        catch (Exception) when (_stop.IsCancellationRequested)
        {
            // The app is stopping before it was connected.
        }
        catch (Exception error)
        {
            connection.Reason = error.Message;
            LogGivenUp(logger, error);
        }
    }

    [LoggerMessage(EventId = 7031, Level = LogLevel.Information, Message = "Connected to the cluster")]
    private static partial void LogConnected(ILogger logger);

    [LoggerMessage(EventId = 7032, Level = LogLevel.Error, Message = "The client cannot connect to the cluster and does not retry")]
    private static partial void LogGivenUp(ILogger logger, Exception error);
}
