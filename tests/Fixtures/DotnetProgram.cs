namespace Actors.Fixtures;

/// <summary>The programs of this repository as they were built together with the tests.</summary>
public static class DotnetProgram
{
    /// <summary>The silo.</summary>
    public static string Silo { get; } = Find("Silo", "Actors.Silo.dll");

    /// <summary>The command line.</summary>
    public static string Cli { get; } = Find("Cli", "actors.dll");

    /// <summary>The web API among the samples; not built with every test project.</summary>
    public static string WebApiSample => Find(Path.Combine("samples", "WebApi"), "Actors.Samples.WebApi.dll");

    /// <summary>The root of the repository.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The dotnet host that runs this process.</summary>
    public static string Dotnet { get; } = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH")
        ?? Executables.Find("dotnet") ?? throw new InvalidOperationException("dotnet was not found in PATH.");

    private static string Find(string project, string file)
    {
        // …/tests/X.Tests/bin/Debug/net10.0/: the same configuration and framework.
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var path = Path.Combine(FindRoot(), project, "bin", own.Parent!.Name, own.Name, file);
        return File.Exists(path) ? path : throw new InvalidOperationException($"{path} is not there; build the solution first.");
    }

    private static string FindRoot()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Actors.sln"))) return directory.FullName;
        }

        throw new InvalidOperationException($"{AppContext.BaseDirectory} is not below the root of the repository.");
    }
}
