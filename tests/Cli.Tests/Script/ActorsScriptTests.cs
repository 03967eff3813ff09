using System.Diagnostics;
using System.Xml.Linq;
using Actors.Fixtures;

namespace Actors.Cli.Tests.Script;

/// <summary>The script <c>./actors</c> of a checkout, with a slow <c>dotnet</c> in the PATH.</summary>
public sealed class ActorsScriptTests : IDisposable
{
    private const string Building = "actors: building the command line";
    private const string BuildingAgain = "actors: the sources are newer than the command line";

    private static readonly string[] Outputs = ["actors.dll", "Actors.Client.dll", "Actors.Grains.Interfaces.dll"];

    private readonly DirectoryInfo _checkout = Directory.CreateTempSubdirectory("actors-script-");

    private static string Root => Repository.Root;

    public ActorsScriptTests()
    {
        if (OperatingSystem.IsWindows()) Assert.Skip("There is actors.cmd on Windows.");
        File.Copy(Path.Combine(Root, "actors"), PathOf("actors"));
        foreach (var source in (string[])["Cli/Program.cs", "Client/Client.cs", "Grains.Interfaces/User.cs", "Grains/Core/SafeLogger.cs",
            "Grains/Redis/RedisLink.cs", "Grains/Redis/RedisConnectionString.cs",
            "Grains/Redis/RedisDiagnosis.cs", "Directory.Build.props", "Directory.Packages.props", "global.json"])
        {
            Write(source, "");
            File.SetLastWriteTimeUtc(PathOf(source), DateTime.UtcNow.AddHours(-1));
        }

        Write("bin/dotnet", $"""
            #!/bin/sh
            if [ "$1" = build ]; then
              if [ -f "{PathOf("build.fails")}" ]; then echo "the compiler says why"; exit 1; fi
              sleep 1
              mkdir -p "$2/bin/Release/net10.0"
              for built in {string.Join(' ', Outputs)}; do touch "$2/bin/Release/net10.0/$built"; done
            else
              echo "ran $2"
            fi
            """);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(PathOf("bin/dotnet"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public void Dispose() => _checkout.Delete(recursive: true);

    [Fact]
    public async Task First_run_announces_the_build_and_the_next_run_is_silent()
    {
        using var first = Start();
        var watch = Stopwatch.StartNew();
        Assert.StartsWith(Building, await first.StandardError.ReadLineAsync(), StringComparison.Ordinal);
        Assert.False(first.HasExited, $"The script announced the build only after {watch.Elapsed}, when it had ended.");
        Assert.Equal("ran --help\n", await first.StandardOutput.ReadToEndAsync());
        Assert.StartsWith("actors: built in ", await first.StandardError.ReadToEndAsync(), StringComparison.Ordinal);

        Assert.Equal((0, ""), await RunAsync());
    }

    [Fact]
    public void Every_shared_file_of_the_client_is_a_source()
    {
        var script = File.ReadAllText(Path.Combine(Root, "actors"));
        var shared = XDocument.Load(Path.Combine(Root, "Client", "Client.csproj")).Descendants("Compile")
            .Select(file => file.Attribute("Include")?.Value.Replace("../", "", StringComparison.Ordinal)).OfType<string>().ToList();
        Assert.NotEmpty(shared);
        Assert.All(shared, file => Assert.Contains($"\"$root/{file}\"", script, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Cli/Program.cs")]
    [InlineData("Client/Client.cs")]
    [InlineData("Grains.Interfaces/User.cs")]
    [InlineData("Grains/Core/SafeLogger.cs")]
    [InlineData("Grains/Redis/RedisLink.cs")]
    [InlineData("Directory.Packages.props")]
    [InlineData("global.json")]
    public async Task Newer_source_triggers_a_build(string source)
    {
        Built();
        Assert.Equal((0, ""), await RunAsync());
        File.SetLastWriteTimeUtc(PathOf(source), DateTime.UtcNow);
        var (_, said) = await RunAsync();
        Assert.StartsWith(BuildingAgain, said, StringComparison.Ordinal);
        Assert.Equal((0, ""), await RunAsync());
    }

    [Fact]
    public async Task Failed_build_reports_the_reason()
    {
        Write("build.fails", "");
        var (exitCode, said) = await RunAsync();
        Assert.Equal(1, exitCode);
        Assert.Contains("the compiler says why", said, StringComparison.Ordinal);
        Assert.EndsWith("error: the command line could not be built\n", said, StringComparison.Ordinal);
    }

    /// <summary>Simulates a build of the whole solution, which does not write the script's stamp.</summary>
    private void Built()
    {
        foreach (var output in Outputs)
        {
            Write($"Cli/bin/Release/net10.0/{output}", "");
            File.SetLastWriteTimeUtc(PathOf($"Cli/bin/Release/net10.0/{output}"), DateTime.UtcNow.AddMinutes(-1));
        }
    }

    private async Task<(int ExitCode, string Said)> RunAsync()
    {
        using var run = Start();
        var said = await run.StandardError.ReadToEndAsync();
        await run.WaitForExitAsync();
        return (run.ExitCode, said);
    }

    private Process Start()
    {
        var info = new ProcessStartInfo("bash", [PathOf("actors"), "--help"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        info.Environment["PATH"] = PathOf("bin") + ":" + Environment.GetEnvironmentVariable("PATH");
        return Process.Start(info)!;
    }

    private void Write(string file, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(file))!);
        File.WriteAllText(PathOf(file), content);
    }

    private string PathOf(string file) => Path.Combine(_checkout.FullName, file);
}
