namespace Actors.Fixtures;

/// <summary>The programs of this repository: as published to the directory ACTORS_PUBLISHED, else as built together with the tests.</summary>
public static class DotnetProgram
{
    private static readonly string? Published = Environment.GetEnvironmentVariable("ACTORS_PUBLISHED");

    public static string Silo { get; } = Find("Silo", "Actors.Silo.dll");

    /// <summary>The command line; not built with the measurements.</summary>
    public static string Cli => Find("Cli", "actors.dll");

    /// <summary>The sample web API; not built with every test project.</summary>
    public static string WebApiSample => Find(Path.Combine("samples", "WebApi"), "Actors.Samples.WebApi.dll");

    /// <summary>The dotnet host of this process.</summary>
    public static string Dotnet { get; } = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH")
        ?? Executables.Find("dotnet") ?? throw new InvalidOperationException("dotnet was not found in PATH.");

    private static string Find(string project, string file)
    {
        if (Published is not null && Path.Combine(Published, project, file) is var published && File.Exists(published)) return published;

        // …/tests/X.Tests/bin/Debug/net10.0/: the same configuration and framework.
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var path = Path.Combine(Repository.Root, project, "bin", own.Parent!.Name, own.Name, file);
        return File.Exists(path) ? path : throw new InvalidOperationException($"{path} does not exist; build the solution first.");
    }
}
