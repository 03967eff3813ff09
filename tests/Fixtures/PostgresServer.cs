using System.Security.Cryptography;
using Npgsql;

namespace Actors.Fixtures;

/// <summary>
/// A real PostgreSQL server on a free loopback port with a temporary data directory. It keeps the installed defaults (fsync
/// on, passwords required), so that results hold in production.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    public const string User = "actors";

    private const string ServiceUser = "postgres";
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    private readonly TemporaryDirectory _directory = new("postgres");
    private readonly string[] _settings;
    private string _password = Convert.ToHexString(RandomNumberGenerator.GetBytes(12));
    private ServerProcess? _process;
    private int _databases;

    /// <summary>Describes a server; <see cref="StartAsync"/> starts it.</summary>
    /// <param name="settings">Settings that differ from the defaults, as name=value.</param>
    public PostgresServer(params string[] settings) => _settings = settings;

    /// <summary>The port; the same for the life of this object.</summary>
    public int Port { get; } = FreePorts.Next();

    /// <summary>The connection string of the maintenance database; tests create their own by <see cref="CreateDatabaseAsync"/>.</summary>
    public string ConnectionString => ConnectionStringTo("postgres");

    /// <summary>The process id of the running server.</summary>
    public int ProcessId => Running.Id;

    /// <summary>True while the process lives (also one stopped by SIGSTOP).</summary>
    public bool IsRunning => _process is { HasExited: false };

    /// <summary>The last lines of its output.</summary>
    public string Output => _process?.Output ?? "";

    private ServerProcess Running => _process ?? throw new InvalidOperationException("PostgreSQL was not started.");

    private string Data => _directory.File("data");

    // postgres refuses to run as root.
    private static string? RunAs => Environment.UserName == "root" ? ServiceUser : null;

    /// <summary>Starts a server and returns once it answers.</summary>
    public static async Task<PostgresServer> StartNewAsync(params string[] settings)
    {
        var server = new PostgresServer(settings);
        await server.StartAsync();
        return server;
    }

    /// <summary>Starts it (again, with its data) and returns once it accepts connections.</summary>
    public async Task StartAsync()
    {
        if (IsRunning)
            return;

        if (!Directory.Exists(Data))
            await InitializeAsync();

        var deadline = DateTime.UtcNow + StartLimit;
        Launch();
        while (!await AnswersAsync())
        {
            if (DateTime.UtcNow > deadline)
                throw new InvalidOperationException($"PostgreSQL did not start on port {Port}:\n{Output}");
            await Task.Delay(30);
            if (IsRunning)
                continue;

            // The children of a killed server need a moment to exit; until then a new server refuses to start.
            if (!Output.Contains("shared memory block", StringComparison.Ordinal) && !Output.Contains("lock file", StringComparison.Ordinal))
                throw new InvalidOperationException($"PostgreSQL did not start on port {Port}:\n{Output}");
            await Task.Delay(200);
            Launch();
        }
    }

    /// <summary>Stops it gracefully and ends its sessions (SIGINT, "fast"); the data stays for the next start.</summary>
    public async Task StopAsync()
    {
        if (!IsRunning)
            return;
        Running.SignalTree(Signals.Continue);
        Running.Signal(Signals.Interrupt);
        if (!await Running.WaitForExitAsync(TimeSpan.FromSeconds(30)))
            await KillAsync();
    }

    /// <summary>Kills it (SIGKILL) and returns once it is gone.</summary>
    public async Task KillAsync()
    {
        Kill();
        await Running.WaitForExitAsync(TimeSpan.FromSeconds(20));
    }

    /// <summary>Kills it (SIGKILL) and returns at once; its sessions end as soon as they notice.</summary>
    public void Kill() => Running.Signal(Signals.Kill);

    /// <summary>
    /// Sends a signal to the server process; see <see cref="Signals"/>. Each session is a separate process, which a SIGSTOP does
    /// not reach: see <see cref="SignalAll"/>.
    /// </summary>
    public void Signal(int signal) => Running.Signal(signal);

    /// <summary>Sends a signal to the server process and all its children, e.g. to stop and continue all sessions.</summary>
    public void SignalAll(int signal) => Running.SignalTree(signal);

    /// <summary>Stops it, gracefully or by SIGKILL, and starts it on the same port with the same data.</summary>
    public async Task RestartAsync(bool kill = false)
    {
        await (kill ? KillAsync() : StopAsync());
        await StartAsync();
    }

    /// <summary>Starts a standby that follows this server until it is promoted.</summary>
    public async Task<PostgresServer> StartStandbyAsync()
    {
        var standby = new PostgresServer(_settings) { _password = _password };
        try
        {
            if (RunAs is not null)
                await standby.ExecuteAsync("chown", [ServiceUser, standby._directory.Path], user: null);
            await standby.ExecuteAsync(
                Find("pg_basebackup"),
                [
                    "-D", standby.Data, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync",
                    "-d", $"host=127.0.0.1 port={Port} user={User} password={_password}",
                ],
                RunAs);
            await standby.StartAsync();
            return standby;
        }
        catch
        {
            await standby.DisposeAsync();
            throw;
        }
    }

    /// <summary>Promotes a standby and returns once it accepts writes.</summary>
    public async Task PromoteAsync()
    {
        await using var connection = new NpgsqlConnection(ConnectionString);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT pg_promote()";
        await command.ExecuteScalarAsync();
    }

    /// <summary>Creates an empty database and returns its connection string.</summary>
    /// <param name="encoding">Its encoding, if not UTF8.</param>
    public async Task<string> CreateDatabaseAsync(string? encoding = null)
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}";
        await using var connection = new NpgsqlConnection(ConnectionString);
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = $"CREATE DATABASE {name}"
            + (encoding is null ? "" : $" ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        command.CommandTimeout = 60;
        await command.ExecuteNonQueryAsync();
        return ConnectionStringTo(name);
    }

    /// <summary>Ends the process and deletes its data.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            try
            {
                // Its children exit only after a graceful stop.
                await StopAsync();
            }
            finally
            {
                _process.Dispose();
            }
        }

        _directory.Dispose();
        FreePorts.Release(Port);
    }

    private string ConnectionStringTo(string database) => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = Port,
        Username = User,
        Password = _password,
        Database = database,
    }.ConnectionString;

    private void Launch()
    {
        _process?.Dispose();
        _process = ServerProcess.Start(
            Find("postgres"),
            [
                "-D", Data, "-p", $"{Port}", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
                "-c", "logging_collector=off", "-c", "max_connections=200",
                .. _settings.SelectMany(setting => (string[])["-c", setting]),
            ],
            _directory.Path,
            RunAs);
    }

    private async Task InitializeAsync()
    {
        var passwordFile = _directory.File("password");
        await File.WriteAllTextAsync(passwordFile, _password);
        if (RunAs is not null)
            await ExecuteAsync("chown", ["-R", ServiceUser, _directory.Path], user: null);

        await ExecuteAsync(
            Find("initdb"),
            [
                "-D", Data, "-U", User, "--pwfile", passwordFile, "--auth", "scram-sha-256", "--encoding", "UTF8",
                "--locale", "C", "--no-sync", "--no-instructions",
            ],
            RunAs);
        File.Delete(passwordFile);
    }

    private async Task ExecuteAsync(string file, string[] arguments, string? user)
    {
        using var process = ServerProcess.Start(Executables.Find(file) ?? file, arguments, _directory.Path, user);
        if (!await process.WaitForExitAsync(StartLimit) || process.ExitCode != 0)
            throw new InvalidOperationException($"{file} failed:\n{process.Output}");
    }

    private static string Find(string name) =>
        Executables.Find(name, Executables.PostgresDirectories())
        ?? throw new InvalidOperationException(
            $"PostgreSQL's {name} was not found. Install it: apt-get install postgresql (Debian, Ubuntu), "
            + "brew install postgresql@17 (macOS).");

    private async Task<bool> AnswersAsync()
    {
        try
        {
            // Unpooled, so that no broken connection stays in a pool.
            var single = new NpgsqlConnectionStringBuilder(ConnectionString) { Pooling = false, Timeout = 2 };
            await using var connection = new NpgsqlConnection(single.ConnectionString);
            await connection.OpenAsync();
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }
}
