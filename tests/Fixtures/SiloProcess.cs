using System.Diagnostics;
using System.Globalization;

namespace Actors.Fixtures;

/// <summary>A real silo process with its own ports.</summary>
public sealed class SiloProcess : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan ReadyLimit = TimeSpan.FromSeconds(5);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(30) };

    private readonly ServerProcess _process;
    private readonly LineLog _log;
    private readonly int _httpPort;

    private SiloProcess(ServerProcess process, LineLog log, int httpPort, int gatewayPort)
    {
        GatewayPort = gatewayPort;
        _process = process;
        _log = log;
        _httpPort = httpPort;
    }

    /// <summary>Its HTTP address.</summary>
    public string Url => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{_httpPort}");

    /// <summary>Its gateway port on loopback.</summary>
    public int GatewayPort { get; }

    /// <summary>The last lines of its output.</summary>
    public string Output => _process.Output;

    /// <summary>The file with all its output, in its working directory.</summary>
    public string Log => _log.File;

    public int ProcessId => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>
    /// Starts a silo in <paramref name="directory"/> and returns once it is ready. Cleans up if it does not become ready.
    /// </summary>
    /// <exception cref="InvalidOperationException">It exited during the start.</exception>
    public static async Task<SiloProcess> StartAsync(
        string directory, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var ports = FreePorts.Next(3);
        string[] all =
        [
            DotnetProgram.Silo, "--urls", $"http://127.0.0.1:{ports[0]}", "--Actors:SiloPort", $"{ports[1]}",
            "--Actors:GatewayPort", $"{ports[2]}", .. arguments,
        ];
        var log = new LineLog(Path.Combine(directory, $"silo-{ports[0]}.log"));
        var process = ServerProcess.Start(
            DotnetProgram.Dotnet, all, directory, environment: environment, onOutput: log.Write, onError: log.Write);
        var silo = new SiloProcess(process, log, ports[0], ports[2]);
        try
        {
            await Eventually.IsTrueAsync(
                async () => silo._process.HasExited
                    ? throw new InvalidOperationException($"The silo exited during its start:\n{silo.Output}")
                    : await silo.IsReadyAsync(),
                StartLimit);
            return silo;
        }
        catch
        {
            silo.Dispose();
            throw;
        }
    }

    /// <summary>True if <c>/health/ready</c> responds 200.</summary>
    public async Task<bool> IsReadyAsync()
    {
        try
        {
            using var limit = new CancellationTokenSource(ReadyLimit);
            using var response = await Http.GetAsync(new Uri($"{Url}/health/ready"), limit.Token);
            return response.IsSuccessStatusCode;
        }
        catch (Exception error) when (error is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>The response of a path.</summary>
    public Task<string> GetAsync(string path) => Http.GetStringAsync(new Uri(Url + path));

    /// <summary>The time by its clock, to the second.</summary>
    public async Task<DateTimeOffset> ClockAsync()
    {
        using var response = await Http.GetAsync(new Uri($"{Url}/health/live"));
        return response.Headers.Date ?? throw new InvalidOperationException("The silo's response has no date.");
    }

    /// <summary>Sends a signal; see <see cref="Signals"/>.</summary>
    public void Signal(int signal) => _process.Signal(signal);

    /// <summary>Stops it gracefully (SIGTERM); returns the elapsed time and the exit code.</summary>
    public async Task<(TimeSpan Elapsed, int ExitCode)> StopAsync()
    {
        var watch = Stopwatch.StartNew();
        _process.Signal(Signals.Terminate);
        if (!await _process.WaitForExitAsync(StopLimit)) throw new TimeoutException($"The silo did not stop within {StopLimit}:\n{Output}");
        return (watch.Elapsed, _process.ExitCode);
    }

    /// <summary>Kills it (SIGKILL) and returns once it is gone.</summary>
    public async Task KillAsync()
    {
        _process.Signal(Signals.Kill);
        await _process.WaitForExitAsync(StopLimit);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.Dispose();
        _log.Dispose();
    }
}
