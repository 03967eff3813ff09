using System.Collections.Concurrent;

namespace Actors.Fixtures;

/// <summary>A running program of this repository. It does not outlive this process.</summary>
public sealed class RunningProgram : IDisposable
{
    // The two readers of the process append; it is read after the exit.
    private readonly ConcurrentQueue<string> _output = new();
    private readonly ConcurrentQueue<string> _error = new();
    private readonly ServerProcess _process;
    private readonly string _name;

    private RunningProgram(string program, string directory, IReadOnlyDictionary<string, string> environment, string[] arguments)
    {
        _name = $"{Path.GetFileName(program)} {string.Join(' ', arguments)}";
        _process = ServerProcess.Start(
            DotnetProgram.Dotnet, [program, .. arguments], directory, environment: environment, onOutput: _output.Enqueue, onError: _error.Enqueue);
    }

    public bool HasExited => _process.HasExited;

    /// <summary>Starts one of <see cref="DotnetProgram"/>'s programs.</summary>
    public static RunningProgram Start(
        string program, string directory, IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        new(program, directory, environment, arguments);

    /// <summary>Sends a signal; see <see cref="Signals"/>.</summary>
    public void Signal(int signal) => _process.Signal(signal);

    /// <summary>Returns once it has exited by itself.</summary>
    /// <exception cref="TimeoutException">It did not exit within <paramref name="limit"/> and was killed.</exception>
    public async Task<ProgramRun> CompletedAsync(TimeSpan limit)
    {
        if (await _process.WaitForExitAsync(limit)) return Run(_process.ExitCode);
        _process.Signal(Signals.Kill);
        throw new TimeoutException($"{_name} did not exit within {limit}:\n{Run(-1)}");
    }

    /// <summary>Kills it if it still runs.</summary>
    public void Dispose() => _process.Dispose();

    private ProgramRun Run(int exitCode) => new(exitCode, string.Join('\n', _output), string.Join('\n', _error));
}
