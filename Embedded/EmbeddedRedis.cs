using System.Net;
using System.Net.Sockets;
using Actors.Embedded.Integrity;
using Garnet;
using Garnet.server;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tsavorite.core;

namespace Actors.Embedded;

/// <summary>
/// Redis inside the process (Garnet), on loopback, with its data in a directory. For a first start and for tests.
/// </summary>
/// <remarks>
/// After a kill -9 of the process the latest writes may be lost, because they are answered before they are logged. Writes
/// followed by <see cref="CommitCommand"/> on the same connection are safe once that command is answered. A power failure may
/// lose more: Garnet leaves syncing its files to the operating system.
/// </remarks>
public sealed class EmbeddedRedis : IAsyncDisposable
{
    /// <summary>
    /// A command of Garnet, unknown to Redis, that is answered once all earlier writes are in the log. It takes a fraction of a
    /// millisecond, so a batch that must survive a kill -9 sends it along.
    /// </summary>
    public const string CommitCommand = "COMMITAOF";

    private readonly Lock _gate = new();
    private GarnetServer? _server;

    private EmbeddedRedis(GarnetServer server, int port)
    {
        _server = server;
        Port = port;
    }

    /// <summary>The port of the server.</summary>
    public int Port { get; }

    /// <summary>The address for clients, e.g. 127.0.0.1:6380.</summary>
    public string ConnectionString => $"127.0.0.1:{Port}";

    /// <summary>Starts the server. Completes once the data is loaded and the server listens.</summary>
    /// <param name="port">A free port on loopback.</param>
    /// <param name="directory">The data directory; created if it does not exist. Only one server at a time may use it.</param>
    /// <param name="loggers">Creates the loggers.</param>
    /// <param name="cancellationToken">Cancels before the start; a start in progress runs to its end.</param>
    /// <exception cref="EmbeddedDataException">A file differs from what was written, or cannot be read.</exception>
    public static Task<EmbeddedRedis> StartAsync(
        int port, string directory, ILoggerFactory? loggers = null, CancellationToken cancellationToken = default)
    {
        directory = Path.GetFullPath(directory);
        Directory.CreateDirectory(directory);
        var files = new SummedDirectory(directory);
        var options = Options(port, directory, files);

        // Loading the data blocks.
        return Task.Run(
            () =>
            {
                // Must precede the start of Garnet, which skips data it cannot read and appends after it.
                Verify(files);
                var server = new GarnetServer(options, new QuietLoggers(loggers ?? NullLoggerFactory.Instance));
                try
                {
                    server.Start();
                    return new EmbeddedRedis(server, port);
                }
                catch (Exception error)
                {
                    server.Dispose();
                    if (IsOfSocket(error)) throw;
                    throw new EmbeddedDataException($"The Redis data in {directory} cannot be loaded: {error.Message}", isDamage: true, error);
                }
            },
            cancellationToken);
    }

    /// <summary>True if the port could not be bound. Garnet wraps the socket's error.</summary>
    internal static bool IsOfSocket(Exception? error) => error is not null && (error is SocketException || IsOfSocket(error.InnerException));

    private static void Verify(SummedDirectory files)
    {
        try
        {
            files.Verify();
        }
        catch (DamagedFileException damage)
        {
            throw new EmbeddedDataException(damage.Message, isDamage: true, damage);
        }
    }

    /// <summary>Stops the server gracefully: all acknowledged writes are in its files.</summary>
    public async Task StopAsync()
    {
        GarnetServer? server;
        lock (_gate)
            (server, _server) = (_server, null);
        if (server is null)
            return;

        // The log is written after the answers. A stop writes the remainder.
        await server.Store.CommitAOFAsync(CancellationToken.None);
        await Task.Run(server.Dispose);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync();

    private static GarnetServerOptions Options(int port, string directory, SummedDirectory files) => new()
    {
        EndPoints = [new IPEndPoint(IPAddress.Loopback, port)],
        QuietMode = true,

        // Without transaction mode scripts are not atomic.
        EnableLua = true,
        LuaOptions = new LuaOptions(),
        LuaTransactionMode = true,

        // The native device needs a newer C library than some systems have.
        DeviceType = DeviceType.RandomAccess,
        DeviceFactoryCreator = new SummedDeviceFactory.Creator(
            new LocalStorageNamedDeviceFactoryCreator(deviceType: DeviceType.RandomAccess), files),
        CheckpointDir = directory,

        // Beyond this memory Garnet evicts silently. Half a gigabyte is far more than a trial fills, and it is allocated only
        // as needed.
        LogMemorySize = "512m",
        PageSize = "1m",
        IndexMemorySize = "4m",
        IndexMaxMemorySize = "64m",
        BufferPoolMemoryBudget = "16m",

        // Each write is logged at once, but its answer does not wait for the log. Waiting would cost scripts nine tenths of
        // their speed.
        EnableAOF = true,
        Recover = true,
        FailOnRecoveryError = true,
        WaitForCommit = false,
        CommitFrequencyMs = 0,
        AofMemorySize = "16m",
        AofPageSize = "4m",
        AofSegmentSize = "16m",
        AofSizeLimit = "16m",
        AofSizeLimitEnforceFrequencySecs = 2,
    };
}
