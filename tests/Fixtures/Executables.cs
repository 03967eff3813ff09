namespace Actors.Fixtures;

/// <summary>Locates installed programs.</summary>
internal static class Executables
{
    // Homebrew's directories are often missing in the PATH of a process started by an IDE.
    private static readonly string[] Homebrew = ["/opt/homebrew", "/usr/local"];

    public static string? Find(string name, params IEnumerable<string> otherDirectories) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Concat(otherDirectories)
        .Concat(Homebrew.Select(root => Path.Combine(root, "bin")))
        .Select(directory => Path.Combine(directory, name))
        .FirstOrDefault(File.Exists);

    /// <summary>The bin directories of PostgreSQL installations outside the PATH, newest first.</summary>
    public static IEnumerable<string> PostgresDirectories()
    {
        var debian = Versions("/usr/lib/postgresql", "*");
        var brew = Homebrew.SelectMany(root => Versions(Path.Combine(root, "opt"), "postgresql*"));
        return debian.Concat(brew);

        static IEnumerable<string> Versions(string root, string pattern) =>
            Directory.Exists(root)
                ? Directory.GetDirectories(root, pattern)
                    .OrderByDescending(directory => directory.Length).ThenByDescending(directory => directory, StringComparer.Ordinal)
                    .Select(directory => Path.Combine(directory, "bin"))
                : [];
    }
}
