using System.Diagnostics;
using System.Text;

namespace Actors.Samples.Tests;

/// <summary>Commands in a shell, as a reader types them.</summary>
internal sealed class ShellRun : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private ShellRun(string commands, string directory, IReadOnlyDictionary<string, string> environment)
    {
        var info = new ProcessStartInfo("bash", ["-euo", "pipefail", "-c", commands])
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment) info.Environment[name] = value;
        _process = new Process { StartInfo = info };
        _process.OutputDataReceived += (_, line) => Keep(line.Data);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public bool HasExited => _process.HasExited;

    /// <summary>All output so far.</summary>
    public string Output
    {
        get
        {
            lock (_output) return _output.ToString();
        }
    }

    /// <summary>Starts commands and returns while they run.</summary>
    public static ShellRun Start(string commands, string directory, IReadOnlyDictionary<string, string> environment) =>
        new(commands, directory, environment);

    /// <summary>Runs commands to their end, which must succeed.</summary>
    /// <returns>Their output.</returns>
    public static async Task<string> RunAsync(
        string commands, string directory, IReadOnlyDictionary<string, string> environment, TimeSpan limit)
    {
        using var run = Start(commands, directory, environment);
        using var timeout = new CancellationTokenSource(limit);
        try
        {
            await run._process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{commands} did not exit within {limit}:\n{run.Output}");
        }

        Assert.True(run._process.ExitCode == 0, $"{commands} exited with {run._process.ExitCode}:\n{run.Output}");
        return run.Output;
    }

    /// <summary>Kills the commands that still run.</summary>
    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private void Keep(string? line)
    {
        if (line is null) return;
        lock (_output) _output.Append(line).Append('\n');
    }
}
