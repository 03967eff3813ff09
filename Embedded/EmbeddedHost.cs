using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Actors.Embedded.Integrity;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Embedded;

/// <summary>
/// The embedded Redis and database of a data directory. The first silo to start there hosts them. The others on this machine
/// join it, so together they form one cluster.
/// </summary>
/// <remarks>
/// The host keeps the file embedded.lock open, which proves that it lives. It publishes its parts in embedded.json:
/// {"pid":123,"redis":"127.0.0.1:6380","database":"/data/actors.db"}.
/// </remarks>
public sealed partial class EmbeddedHost : IAsyncDisposable
{
    /// <summary>The default data directory, below the current directory.</summary>
    public const string DefaultDirectory = ".actors";

    /// <summary>The port at which the search for a free one for Redis begins. 6379 is left to a separate Redis.</summary>
    public const int DefaultRedisPort = 6380;

    private const int Ports = 100;

    // A host loads its data before it publishes its address. Others wait at most this long.
    private static readonly TimeSpan JoinLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan JoinPoll = TimeSpan.FromMilliseconds(100);

    private readonly string _addressFile;
    private readonly EmbeddedAddress _address;
    private FileLock? _lock;
    private EmbeddedRedis? _redis;

    // Null if this process joined a host.
    private readonly DataDirectory? _data;

    private EmbeddedHost(string addressFile, EmbeddedAddress address, FileLock? held, EmbeddedRedis? redis, DataDirectory? data)
    {
        _data = data;
        _addressFile = addressFile;
        _address = address;
        _lock = held;
        _redis = redis;
        IsHost = held is not null;
    }

    /// <summary>True if this process hosts the parts; false if it joined another process.</summary>
    public bool IsHost { get; }

    /// <summary>The id of the process that hosts the parts.</summary>
    public int HostProcessId => _address.Pid;

    /// <summary>The connection string of the embedded Redis; null if Redis is not embedded.</summary>
    public string? RedisConnectionString => _address.Redis;

    /// <summary>The path of the SQLite file, for <see cref="SqliteRowStore"/>; null if the database is not embedded.</summary>
    public string? DatabasePath => _address.Database;

    /// <summary>Hosts or joins both parts.</summary>
    public static Task<EmbeddedHost> StartOrJoinAsync(
        string directory, ILoggerFactory? loggers = null, CancellationToken cancellationToken = default) =>
        StartOrJoinAsync(directory, EmbeddedParts.All, acceptDataLoss: false, loggers, cancellationToken);

    /// <summary>Hosts or joins the given parts. All silos of a directory must use the same parts.</summary>
    /// <param name="directory">The data directory; created if it does not exist.</param>
    /// <param name="parts">The embedded parts. The others come from connection strings.</param>
    /// <param name="acceptDataLoss">Whether to move damaged data aside and start without it.</param>
    /// <param name="loggers">Creates the loggers.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <exception cref="InvalidOperationException">
    /// The silo that hosts this directory embeds other parts, so the two would share only one of Redis and database.
    /// </exception>
    /// <exception cref="EmbeddedDataException">The data is damaged, or the directory cannot be used.</exception>
    /// <exception cref="TimeoutException">Another process holds the directory but does not publish its parts.</exception>
    public static async Task<EmbeddedHost> StartOrJoinAsync(
        string directory, EmbeddedParts parts, bool acceptDataLoss, ILoggerFactory? loggers, CancellationToken cancellationToken)
    {
        loggers ??= NullLoggerFactory.Instance;
        var logger = loggers.CreateLogger<EmbeddedHost>();
        directory = Path.GetFullPath(directory);
        var data = new DataDirectory(directory, acceptDataLoss, logger);
        try
        {
            Directory.CreateDirectory(directory);
            var lockFile = Path.Combine(directory, "embedded.lock");
            var addressFile = Path.Combine(directory, "embedded.json");
            var start = TimeProvider.System.GetTimestamp();
            while (true)
            {
                if (FileLock.TryTake(lockFile) is { } held)
                    return await HostAsync(data, addressFile, parts, held, loggers, logger, cancellationToken);
                if (await TryJoinAsync(directory, addressFile, parts, logger, cancellationToken) is { } joined)
                    return joined;
                if (TimeProvider.System.GetElapsedTime(start) > JoinLimit)
                {
                    throw new TimeoutException(
                        $"Another process holds {lockFile}, but {addressFile} names no Redis that answers. "
                        + "Stop that process or use another data directory.");
                }

                await Task.Delay(JoinPoll, cancellationToken);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or Microsoft.Data.Sqlite.SqliteException)
        {
            throw data.Unusable(error);
        }
    }

    /// <summary>Gracefully stops the parts hosted by this process. Does nothing if this process joined a host.</summary>
    public async Task StopAsync()
    {
        if (_lock is not { } held)
            return;
        _lock = null;

        // The order matters: prevent further joins, stop Redis, then let another process host.
        File.Delete(_addressFile);
        try
        {
            _data?.Note(_address.Parts);
            if (_redis is not null)
                await _redis.StopAsync();
        }
        finally
        {
            _redis = null;
            held.Dispose();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync();

    // Null if there is no host to join yet.
    private static async Task<EmbeddedHost?> TryJoinAsync(
        string directory, string addressFile, EmbeddedParts parts, ILogger logger, CancellationToken cancellationToken)
    {
        // The address may belong to a killed host whose successor is still starting, so it must answer.
        if (EmbeddedAddress.TryRead(addressFile) is not { } address || !await AnswersAsync(address, cancellationToken)) return null;
        if (address.Parts != parts) throw DifferentParts(directory, address, parts);
        LogJoined(logger, address.Redis, address.Database, address.Pid);
        return new EmbeddedHost(addressFile, address, held: null, redis: null, data: null);
    }

    private static async Task<EmbeddedHost> HostAsync(
        DataDirectory data,
        string addressFile,
        EmbeddedParts parts,
        FileLock held,
        ILoggerFactory loggers,
        ILogger logger,
        CancellationToken cancellationToken)
    {
        EmbeddedRedis? redis = null;
        try
        {
            // An existing address belongs to a killed host. Silos that had joined it look for Redis at the old port.
            var former = EmbeddedAddress.TryRead(addressFile)?.Redis;
            File.Delete(addressFile);

            data.Check(parts);
            redis = parts.HasFlag(EmbeddedParts.Redis)
                ? await data.OpenRedisAsync(() => StartRedisAsync(data.Redis, former, loggers, cancellationToken))
                : null;
            data.Note(parts);
            var address = new EmbeddedAddress(
                Environment.ProcessId,
                redis?.ConnectionString,
                parts.HasFlag(EmbeddedParts.Database) ? data.Database : null);
            address.Write(addressFile);
            LogHosting(logger, address.Redis, address.Database);
            return new EmbeddedHost(addressFile, address, held, redis, data);
        }
        catch
        {
            if (redis is not null)
                await redis.StopAsync();
            held.Dispose();
            throw;
        }
    }

    private static async Task<EmbeddedRedis> StartRedisAsync(
        string directory, string? former, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        IEnumerable<int> ports = Enumerable.Range(DefaultRedisPort, Ports);
        if (former is not null && IPEndPoint.TryParse(former, out var endpoint))
            ports = ports.Prepend(endpoint.Port);

        foreach (var port in ports)
        {
            if (!IsFree(port))
                continue;
            try
            {
                return await EmbeddedRedis.StartAsync(port, directory, loggers, cancellationToken);
            }
            catch (Exception error) when (EmbeddedRedis.IsOfSocket(error))
            {
                // A silo of another directory has taken the port since the check.
            }
        }

        throw new InvalidOperationException(string.Create(
            CultureInfo.InvariantCulture,
            $"No free port on loopback for the embedded Redis between {DefaultRedisPort} and {DefaultRedisPort + Ports - 1}."));
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<bool> AnswersAsync(EmbeddedAddress address, CancellationToken cancellationToken)
    {
        if (address.Redis is null)
            return true;
        if (!IPEndPoint.TryParse(address.Redis, out var endpoint))
            return false;
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(endpoint, cancellationToken);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static InvalidOperationException DifferentParts(string directory, EmbeddedAddress address, EmbeddedParts parts) =>
        new($"The silo that hosts {directory} (process {address.Pid}) embeds {address.Parts}, but this silo would embed {parts}. "
            + "Give both silos the same ConnectionStrings, or this silo another data directory.");

    [LoggerMessage(EventId = 3200, Level = LogLevel.Information, Message = "Hosting the embedded parts: Redis at {Redis}, database {Database}")]
    private static partial void LogHosting(ILogger logger, string? redis, string? database);

    [LoggerMessage(EventId = 3201, Level = LogLevel.Information, Message =
        "Joined the embedded parts of process {Pid}: Redis at {Redis}, database {Database}")]
    private static partial void LogJoined(ILogger logger, string? redis, string? database, int pid);
}
