namespace Actors.Fixtures;

/// <summary>The checkout that the tests were built from.</summary>
public static class Repository
{
    public static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        for (var directory = new DirectoryInfo(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Actors.sln"))) return directory.FullName;
        }

        throw new InvalidOperationException($"{AppContext.BaseDirectory} is not below the root of the repository.");
    }
}
