using System.Diagnostics;
using System.Text.Json;
using Actors.Fixtures;

namespace Actors.Bench.App;

/// <summary>
/// This program started again as another process: the app, an HTTP app, or the floor's silo. It ends when its input ends, so it
/// does not outlive this process.
/// </summary>
internal sealed class AppProcess : IAsyncDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(15);

    private readonly Process _process;

    private AppProcess(Process process) => _process = process;

    /// <summary>The CPU time it has used so far.</summary>
    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    /// <summary>Starts it; returns once it is ready.</summary>
    public static async Task<AppProcess> StartAsync(AppSettings settings, params string[] arguments)
    {
        var info = new ProcessStartInfo(DotnetProgram.Dotnet, [typeof(AppProcess).Assembly.Location, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in settings.ToEnvironment()) info.Environment[name] = value;
        var app = new AppProcess(Process.Start(info)!);
        try
        {
            await app.ReplyAsync();
            return app;
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    /// <summary>Gives it a command; returns its answer. One command at a time.</summary>
    /// <exception cref="InvalidOperationException">The command failed, or the process has ended.</exception>
    public async Task<AppReply> AskAsync(AppCommand command)
    {
        await _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(command, AppJson.Default.AppCommand));
        await _process.StandardInput.FlushAsync();
        return await ReplyAsync();
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.StandardInput.Close();
            using var limit = new CancellationTokenSource(StopLimit);
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (Exception error) when (error is OperationCanceledException or IOException)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private async Task<AppReply> ReplyAsync()
    {
        var line = await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException("The app's process has ended; see its errors above.");
        var reply = JsonSerializer.Deserialize(line, AppJson.Default.AppReply)!;
        return reply.Error is null ? reply : throw new InvalidOperationException($"In the app's process: {reply.Error}");
    }
}
