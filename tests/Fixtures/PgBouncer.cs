using Npgsql;

namespace Actors.Fixtures;

/// <summary>
/// A real PgBouncer in transaction mode in front of a PostgreSQL: each transaction of a connection may use another session.
/// </summary>
public sealed class PgBouncer : IAsyncDisposable
{
    private const string User = "postgres";
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private readonly TemporaryDirectory _directory = new("pgbouncer");
    private ServerProcess? _process;

    private PgBouncer()
    {
    }

    public int Port { get; } = FreePorts.Next();

    /// <summary>Starts PgBouncer for the server of <paramref name="connectionString"/> and returns once it answers.</summary>
    public static async Task<PgBouncer> StartAsync(string connectionString)
    {
        var bouncer = new PgBouncer();
        try
        {
            await bouncer.LaunchAsync(new NpgsqlConnectionStringBuilder(connectionString));
            return bouncer;
        }
        catch
        {
            await bouncer.DisposeAsync();
            throw;
        }
    }

    /// <summary>The connection string of the same database through PgBouncer.</summary>
    public string Through(string connectionString) =>
        new NpgsqlConnectionStringBuilder(connectionString) { Port = Port, MaxAutoPrepare = 0 }.ConnectionString;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            _process.Signal(Signals.Kill);
            await _process.WaitForExitAsync(StartLimit);
        }

        _process?.Dispose();
        _directory.Dispose();
        FreePorts.Release(Port);
    }

    private async Task LaunchAsync(NpgsqlConnectionStringBuilder server)
    {
        var configuration = _directory.File("pgbouncer.ini");
        await File.WriteAllTextAsync(
            configuration,
            $"""
            [databases]
            * = host={server.Host} port={server.Port} user={server.Username} password={server.Password}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {Port}
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            server_round_robin = 1
            ignore_startup_parameters = extra_float_digits

            """);

        // PgBouncer refuses to run as root.
        var runAs = Environment.UserName == "root" ? User : null;
        if (runAs is not null && !OperatingSystem.IsWindows())
            File.SetUnixFileMode(_directory.Path, File.GetUnixFileMode(_directory.Path) | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        var file = Executables.Find("pgbouncer", "/usr/sbin") ?? throw new InvalidOperationException(
            "pgbouncer was not found. Install it: apt-get install pgbouncer (Debian, Ubuntu), brew install pgbouncer (macOS).");
        _process = ServerProcess.Start(file, [configuration], _directory.Path, runAs);
        await Eventually.IsTrueAsync(() => AnswersAsync(server), StartLimit);
    }

    private async Task<bool> AnswersAsync(NpgsqlConnectionStringBuilder server)
    {
        if (_process is { HasExited: true }) throw new InvalidOperationException($"pgbouncer exited:\n{_process.Output}");
        try
        {
            await using var connection = new NpgsqlConnection(Through(server.ConnectionString) + ";Pooling=false");
            await connection.OpenAsync();
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }
}
