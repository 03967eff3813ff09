using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Actors.Fixtures;

/// <summary>Commands to a Redis that may not be well: over a plain socket, which neither retries nor waits for more than an answer.</summary>
public static class RedisCommands
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    /// <summary>Sends a command and waits for its answer.</summary>
    /// <exception cref="InvalidOperationException">The answer is an error.</exception>
    public static Task SendAsync(int port, string command) => AskAsync(port, command);

    /// <summary>As <see cref="SendAsync"/>, and returns the answer as it came, up to a few KB of it.</summary>
    public static async Task<string> AskAsync(int port, string command)
    {
        using var client = await BeginAsync(port, command);
        using var limit = new CancellationTokenSource(Limit);
        var answer = new byte[4096];
        var length = await client.GetStream().ReadAsync(answer, limit.Token);
        return length == 0 || answer[0] == (byte)'-'
            ? throw new InvalidOperationException($"Redis answered {command} with: {Encoding.ASCII.GetString(answer, 0, length)}")
            : Encoding.ASCII.GetString(answer, 0, length);
    }

    /// <summary>True if the answer contains <paramref name="text"/>; false also if the server closes the connection, as it does when it changes its role.</summary>
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

    /// <summary>Sends a command and leaves it under way until the connection is disposed of.</summary>
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
