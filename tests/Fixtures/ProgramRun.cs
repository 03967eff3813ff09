using System.Diagnostics;

namespace Actors.Fixtures;

/// <summary>The result of a program that ran to its end.</summary>
public sealed record ProgramRun(int ExitCode, string Output, string Error)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    /// <summary>Runs one of <see cref="DotnetProgram"/>'s programs to its end.</summary>
    public static Task<ProgramRun> RunAsync(
        string program, string directory, IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        RunCommandAsync([DotnetProgram.Dotnet, program, .. arguments], directory, environment, Limit);

    /// <summary>Runs a command to its end and kills it after <paramref name="limit"/>.</summary>
    public static async Task<ProgramRun> RunCommandAsync(
        IReadOnlyList<string> command, string directory, IReadOnlyDictionary<string, string> environment, TimeSpan limit)
    {
        var info = new ProcessStartInfo(command[0], command.Skip(1))
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment) info.Environment[name] = value;
        using var process = Process.Start(info)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        using var time = new CancellationTokenSource(limit);
        try
        {
            await process.WaitForExitAsync(time.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{string.Join(' ', command)} did not exit within {limit}:\n{await output}\n{await error}");
        }

        return new ProgramRun(process.ExitCode, await output, await error);
    }

    /// <summary>All output, for messages.</summary>
    public override string ToString() => $"exit {ExitCode}\n{Output}\n{Error}";
}
