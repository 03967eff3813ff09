using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Actors.Fixtures;

/// <summary>Commands to a Redis that may be unhealthy, over a plain socket without retries, with a timeout only for the response.</summary>
public static class RedisCommands
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Sends a command and waits for its response.</summary>
    /// <exception cref="InvalidOperationException">The response is an error.</exception>
    public static Task SendAsync(int port, string command) => AskAsync(port, command);

    /// <summary>Like <see cref="SendAsync"/>, and returns the raw response, up to a few KB.</summary>
    public static async Task<string> AskAsync(int port, string command)
    {
        using var client = await BeginAsync(port, command);
        using var limit = new CancellationTokenSource(Limit);
        var answer = new byte[4096];
        var length = await client.GetStream().ReadAsync(answer, limit.Token);
        return length == 0 || answer[0] == (byte)'-'
            ? throw new InvalidOperationException($"Redis responded to {command} with: {Encoding.ASCII.GetString(answer, 0, length)}")
            : Encoding.ASCII.GetString(answer, 0, length);
    }

    /// <summary>True if the response contains <paramref name="text"/>. False also if the server closes the connection, as on a role change.</summary>
    public static async Task<bool> AnswersAsync(int port, string command, string text)
    {
        try
        {
            return (await AskAsync(port, command)).Contains(text, StringComparison.Ordinal);
        }
        catch (Exception error) when (error is InvalidOperationException or IOException or SocketException)
        {
            return false;
        }
    }

    /// <summary>Sends a command and leaves it in flight until the connection is disposed.</summary>
    public static async Task<TcpClient> BeginAsync(int port, string command)
    {
        var client = new TcpClient();
        try
        {
            using var limit = new CancellationTokenSource(Limit);
            await client.ConnectAsync(IPAddress.Loopback, port, limit.Token);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(command + "\r\n"), limit.Token);
            return client;
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }
}
