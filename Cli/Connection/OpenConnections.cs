using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace Actors.Cli.Connection;

/// <summary>
/// The connections of Orleans' client to the silos. They are closed at the end of a command, because a silo logs a connection that
/// a process leaves open as broken. To stop Orleans' client would close them too, but takes 50 ms after each command.
/// </summary>
internal sealed class OpenConnections
{
    // Any thread adds and removes. Orleans opens a few to each silo.
    private readonly ConcurrentDictionary<string, ConnectionContext> _open = new();

    /// <summary>Adds each connection from here on.</summary>
    public void Observe(IConnectionBuilder connections) => connections.Use(next => async connection =>
    {
        _open[connection.ConnectionId] = connection;
        try
        {
            await next(connection);
        }
        finally
        {
            _open.TryRemove(connection.ConnectionId, out _);
        }
    });

    /// <summary>Closes all connections. No call may be in flight.</summary>
    public void Close()
    {
        foreach (var connection in _open.Values)
            connection.Abort(new ConnectionAbortedException("The command has ended."));
    }
}
