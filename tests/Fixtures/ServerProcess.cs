using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Actors.Fixtures;

/// <summary>
/// A server started as a child of this process, which never outlives it: a handler kills it at a normal exit, and on Linux
/// the kernel does after a kill -9 (setpriv --pdeathsig).
/// </summary>
internal sealed partial class ServerProcess : IDisposable
{
    private const int KeptLines = 200;

    private static readonly ConcurrentDictionary<ServerProcess, byte> Running = new();
    private static readonly BlockingCollection<Action> Starts = [];
    private static readonly string? Setpriv = OperatingSystem.IsLinux() ? Executables.Find("setpriv") : null;

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();

    // Set once, read by any thread.
    private volatile bool _isDisposed;

    static ServerProcess()
    {
        // The kernel sends the parent-death signal when the *thread* that forked ends. Pool threads come and go, so one
        // permanent thread starts all children.
        new Thread(() =>
        {
            foreach (var start in Starts.GetConsumingEnumerable())
                start();
        })
        { IsBackground = true, Name = "server starter" }.Start();

        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            foreach (var server in Running.Keys)
                server.Signal(Signals.Kill);
        };
    }

    private ServerProcess(ProcessStartInfo info, Action<string>? onOutput, Action<string>? onError)
    {
        _process = new Process { StartInfo = info };
        _process.OutputDataReceived += (_, line) => Keep(line.Data, onOutput);
        _process.ErrorDataReceived += (_, line) => Keep(line.Data, onError);
    }

    /// <summary>The process id of the server itself: setpriv replaces itself with the server.</summary>
    public int Id { get; private set; }

    public bool HasExited => _isDisposed || _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>The last lines of its output.</summary>
    public string Output => string.Join('\n', _lines);

    /// <summary>
    /// Starts <paramref name="file"/> as <paramref name="user"/>, null for the current user. Its lines go to
    /// <paramref name="onOutput"/> and <paramref name="onError"/> as well, each on a separate thread.
    /// </summary>
    public static ServerProcess Start(string file, IEnumerable<string> arguments, string directory, string? user = null,
        IReadOnlyDictionary<string, string>? environment = null, Action<string>? onOutput = null, Action<string>? onError = null)
    {
        var info = new ProcessStartInfo
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };

        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            info.Environment[name] = value;

        if (Setpriv is null)
        {
            if (user is not null)
                throw new InvalidOperationException($"setpriv (package util-linux) is needed to run {file} as the user {user}.");
            info.FileName = file;
        }
        else
        {
            info.FileName = Setpriv;
            info.ArgumentList.Add("--pdeathsig");
            info.ArgumentList.Add("KILL");
            if (user is not null)
            {
                foreach (var argument in (string[])[$"--reuid={user}", $"--regid={user}", "--init-groups", "--inh-caps=-all"])
                    info.ArgumentList.Add(argument);
            }

            info.ArgumentList.Add("--");
            info.ArgumentList.Add(file);
        }

        foreach (var argument in arguments)
            info.ArgumentList.Add(argument);

        var server = new ServerProcess(info, onOutput, onError);
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Starts.Add(() =>
        {
            try
            {
                server._process.Start();
                server.Id = server._process.Id;
                started.SetResult();
            }
            catch (Exception e)
            {
                started.SetException(e);
            }
        });
        started.Task.GetAwaiter().GetResult();
        Running[server] = 0;
        server._process.BeginOutputReadLine();
        server._process.BeginErrorReadLine();
        return server;
    }

    /// <summary>Sends a signal, as kill does.</summary>
    public void Signal(int signal)
    {
        // The id of a reaped process may be reused.
        if (!HasExited && Kill(Id, signal) != 0 && !HasExited)
            throw new InvalidOperationException($"kill -{signal} {Id} failed with error {Marshal.GetLastPInvokeError()}.");
    }

    /// <summary>Sends a signal to it and to its child processes.</summary>
    public void SignalTree(int signal)
    {
        Signal(signal);
        foreach (var child in OperatingSystem.IsLinux() ? ChildrenInProc() : ChildrenByPgrep())
            _ = Kill(child, signal);
    }

    /// <summary>Returns true once it has exited, false after <paramref name="limit"/>.</summary>
    public async Task<bool> WaitForExitAsync(TimeSpan limit)
    {
        try
        {
            await _process.WaitForExitAsync().WaitAsync(limit);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        if (!HasExited)
        {
            Signal(Signals.Kill);
            _process.WaitForExit(TimeSpan.FromSeconds(10));
        }

        _isDisposed = true;
        Running.TryRemove(this, out _);
        _process.Dispose();
    }

    private void Keep(string? line, Action<string>? tell)
    {
        if (line is null)
            return;
        tell?.Invoke(line);
        _lines.Enqueue(line);
        while (_lines.Count > KeptLines)
            _lines.TryDequeue(out _);
    }

    // Small Linux images lack pgrep.
    private List<int> ChildrenInProc()
    {
        var children = new List<int>();
        foreach (var directory in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), CultureInfo.InvariantCulture, out var pid))
                continue;
            try
            {
                // "pid (name) state parent ..."; the name may contain any character.
                var stat = File.ReadAllText(Path.Combine(directory, "stat"));
                if (int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture) == Id)
                    children.Add(pid);
            }
            catch (IOException)
            {
                // It exited in the meantime.
            }
        }

        return children;
    }

    private List<int> ChildrenByPgrep()
    {
        using var list = Process.Start(new ProcessStartInfo("pgrep", ["-P", $"{Id}"]) { RedirectStandardOutput = true })!;
        var lines = list.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        list.WaitForExit();
        return [.. lines.Select(line => int.Parse(line, CultureInfo.InvariantCulture))];
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);
}
