using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Actors.Fixtures;

/// <summary>A real redis-server on a free loopback port with a temporary data directory.</summary>
public sealed class RedisServer : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private readonly TemporaryDirectory _directory = new("redis");
    private readonly bool _appendOnly;
    private readonly string[] _arguments;
    private ServerProcess? _process;

    /// <summary>Describes a server; <see cref="StartAsync"/> starts it.</summary>
    /// <param name="appendOnly">False for a server without persistence.</param>
    /// <param name="arguments">Further command line arguments, which override the defaults.</param>
    public RedisServer(bool appendOnly = true, params string[] arguments)
    {
        _appendOnly = appendOnly;
        _arguments = arguments;
    }

    /// <summary>The port; the same for the life of this object.</summary>
    public int Port { get; } = FreePorts.Next();

    /// <summary>The address, e.g. 127.0.0.1:20123.</summary>
    public string ConnectionString => $"127.0.0.1:{Port}";

    /// <summary>Additional environment variables, e.g. for a wrong clock: see <see cref="ClockOffset"/>.</summary>
    public IReadOnlyDictionary<string, string>? Environment { get; init; }

    /// <summary>The process id of the running server.</summary>
    public int ProcessId => Running.Id;

    /// <summary>True while the process lives (also one stopped by SIGSTOP).</summary>
    public bool IsRunning => _process is { HasExited: false };

    /// <summary>The last lines of its output.</summary>
    public string Output => _process?.Output ?? "";

    private ServerProcess Running => _process ?? throw new InvalidOperationException("redis-server was not started.");

    /// <summary>Starts a server and returns once it answers.</summary>
    public static async Task<RedisServer> StartNewAsync(bool appendOnly = true, params string[] arguments)
    {
        var server = new RedisServer(appendOnly, arguments);
        await server.StartAsync();
        return server;
    }

    /// <summary>Starts it (again, with its data) and returns once it has loaded the data and answers.</summary>
    public async Task StartAsync()
    {
        if (IsRunning)
            return;
        _process?.Dispose();

        var file = Executables.Find("redis-server")
            ?? throw new InvalidOperationException(
                "redis-server was not found. Install it: apt-get install redis-server (Debian, Ubuntu), brew install redis (macOS).");
        _process = ServerProcess.Start(
            file,
            [
                "--port", $"{Port}", "--bind", "127.0.0.1", "--dir", _directory.Path, "--save", "",
                "--appendonly", _appendOnly ? "yes" : "no", "--appendfsync", "everysec",
                "--maxmemory-policy", "noeviction", "--daemonize", "no", .. _arguments,
            ],
            _directory.Path,
            environment: Environment);

        var deadline = DateTime.UtcNow + StartLimit;
        while (!await AnswersAsync())
        {
            if (!IsRunning || DateTime.UtcNow > deadline)
                throw new InvalidOperationException($"redis-server did not start on port {Port}:\n{Output}");
            await Task.Delay(20);
        }
    }

    /// <summary>Stops it gracefully (SIGTERM); the data stays for the next start.</summary>
    public async Task StopAsync()
    {
        if (!IsRunning)
            return;
        Running.Signal(Signals.Continue);
        Running.Signal(Signals.Terminate);
        if (!await Running.WaitForExitAsync(TimeSpan.FromSeconds(20)))
            await KillAsync();
    }

    /// <summary>Kills it (SIGKILL) and returns once it is gone.</summary>
    public async Task KillAsync()
    {
        Kill();
        await Running.WaitForExitAsync(TimeSpan.FromSeconds(20));
    }

    /// <summary>Kills it (SIGKILL) and returns at once.</summary>
    public void Kill() => Running.Signal(Signals.Kill);

    /// <summary>Sends a signal; see <see cref="Signals"/>.</summary>
    public void Signal(int signal) => Running.Signal(signal);

    /// <summary>Stops it, gracefully or by SIGKILL, and starts it on the same port with the same data.</summary>
    public async Task RestartAsync(bool kill = false)
    {
        await (kill ? KillAsync() : StopAsync());
        await StartAsync();
    }

    /// <summary>Deletes the data on disk. Only while the server is stopped.</summary>
    public void DeleteData()
    {
        if (IsRunning)
            throw new InvalidOperationException("Stop redis-server first.");
        _directory.Clear();
    }

    /// <summary>The current file of the append-only log and its length.</summary>
    public (string File, long Length) LogEnd()
    {
        // Files with lower numbers are being replaced by a rewrite.
        var file = Directory.GetFiles(_directory.File("appendonlydir"), "*.incr.aof")
            .OrderBy(name => name.Length).ThenBy(name => name, StringComparer.Ordinal).Last();
        return (file, new FileInfo(file).Length);
    }

    /// <summary>
    /// Truncates the log at <paramref name="end"/>, like a machine that fails before its disk has all data. Only while the
    /// server is stopped. The next start drops a truncated command.
    /// </summary>
    /// <returns>The number of bytes lost.</returns>
    public long CutLog((string File, long Length) end)
    {
        if (IsRunning)
            throw new InvalidOperationException("Stop redis-server first.");
        var (file, length) = LogEnd();
        var kept = file == end.File ? Math.Min(end.Length, length) : 0;
        using var log = new FileStream(file, FileMode.Open, FileAccess.Write);
        log.SetLength(kept);
        return length - kept;
    }

    /// <summary>Ends the process and deletes its data.</summary>
    public ValueTask DisposeAsync()
    {
        _process?.Dispose();
        _directory.Dispose();
        FreePorts.Release(Port);
        return ValueTask.CompletedTask;
    }

    // Over a plain socket: a multiplexer that fails to connect costs far more and keeps retrying.
    private async Task<bool> AnswersAsync()
    {
        try
        {
            using var client = new TcpClient();
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            await client.ConnectAsync(IPAddress.Loopback, Port, limit.Token);
            await client.GetStream().WriteAsync("PING\r\n"u8.ToArray(), limit.Token);
            var answer = new byte[64];
            var length = await client.GetStream().ReadAsync(answer, limit.Token);
            // The arguments may set a password; a server that requires it is up.
            var text = Encoding.ASCII.GetString(answer, 0, length);
            return text.StartsWith("+PONG", StringComparison.Ordinal) || text.StartsWith("-NOAUTH", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
        {
            return false;
        }
    }
}
