using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>
/// Holds calls that are made before the client has connected, and fails them after a timeout. Orleans would not send them, but let
/// them wait for an answer.
/// </summary>
internal sealed class ConnectionGate(IOptions<ActorsClientOptions> options, ClusterConnection connection, TimeProvider? time = null)
    : IOutgoingGrainCallFilter
{
    /// <summary>The maximum time a call waits for the connection; never longer than <see cref="ActorsClientOptions.ResponseTimeout"/>.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _time = time ?? TimeProvider.System;

    public Task Invoke(IOutgoingGrainCallContext context) =>
        // The calls that establish the connection go to system targets.
        connection.IsOpen || context.TargetId.IsSystemTarget() || !options.Value.ConnectInBackground ? context.Invoke() : WaitAsync(context);

    private async Task WaitAsync(IOutgoingGrainCallContext context)
    {
        var limit = options.Value.ResponseTimeout < Limit ? options.Value.ResponseTimeout : Limit;
        try
        {
            await connection.Opened.WaitAsync(limit, _time, context.Request.GetCancellationToken());
        }
        catch (TimeoutException)
        {
            throw new ClusterUnreachableException($"{context.MethodName} of {context.TargetId} was not sent: {connection.Reason}");
        }
        await context.Invoke();
    }
}
