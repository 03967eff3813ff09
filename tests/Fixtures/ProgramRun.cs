using System.Diagnostics;

namespace Actors.Fixtures;

/// <summary>What a program that was run to its end said and returned.</summary>
public sealed record ProgramRun(int ExitCode, string Output, string Error)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);

    /// <summary>Runs one of <see cref="DotnetProgram"/>'s programs to its end.</summary>
    public static async Task<ProgramRun> RunAsync(
        string program, string directory, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var info = new ProcessStartInfo(DotnetProgram.Dotnet, [program, .. arguments])
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment) info.Environment[name] = value;
        using var process = Process.Start(info)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end within {Limit}:\n{await output}\n{await error}");
        }

        return new ProgramRun(process.ExitCode, await output, await error);
    }

    /// <summary>Everything it said, for messages.</summary>
    public override string ToString() => $"exit {ExitCode}\n{Output}\n{Error}";
}
