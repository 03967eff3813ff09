using System.Globalization;

namespace Actors.Fixtures;

/// <summary>
/// Programs with a wrong clock. libfaketime changes the wall clock; monotonic clocks, which timeouts and delays use, stay
/// right, as on a machine with a wrong clock.
/// </summary>
public static class ClockOffset
{
    private static readonly string? Library = !OperatingSystem.IsLinux()
        ? null
        : Directory.GetDirectories("/usr/lib")
            .Select(directory => Path.Combine(directory, "faketime", "libfaketimeMT.so.1"))
            .Append("/usr/lib/faketime/libfaketimeMT.so.1")
            .FirstOrDefault(File.Exists);

    /// <summary>The environment variables that set a program's clock ahead.</summary>
    /// <exception cref="InvalidOperationException">libfaketime is not installed.</exception>
    public static IReadOnlyDictionary<string, string> Of(TimeSpan ahead) => With(Faketime, "FAKETIME", Text(ahead));

    /// <summary>The same for redis-server, whose clock can be set by <see cref="Set"/> while it runs.</summary>
    /// <param name="file">The file with the offset.</param>
    public static IReadOnlyDictionary<string, string> In(string file) =>
        // Debian's build calls jemalloc, which reads the time before libfaketime is ready; this uses the malloc of libc.
        With($"{Faketime}:libc.so.6", "FAKETIME_TIMESTAMP_FILE", file);

    /// <summary>Sets the clock of programs that read this file, at once.</summary>
    public static void Set(string file, TimeSpan ahead)
    {
        // Atomic: half a line would be another time.
        File.WriteAllText(file + ".new", Text(ahead));
        File.Move(file + ".new", file, overwrite: true);
    }

    private static string Faketime => Library
        ?? throw new InvalidOperationException("libfaketime was not found. It works on Linux only. Install it: apt-get install faketime (Debian, Ubuntu).");

    private static Dictionary<string, string> With(string libraries, string name, string value) => new()
    {
        ["LD_PRELOAD"] = libraries,
        [name] = value,
        ["FAKETIME_NO_CACHE"] = "1",
        ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",

        // Its workaround for old C libraries makes timed waits of .NET end too early or too late.
        ["FAKETIME_FORCE_MONOTONIC_FIX"] = "0",
    };

    private static string Text(TimeSpan ahead) => ahead.TotalSeconds.ToString("+0.000;-0.000;+0", CultureInfo.InvariantCulture);
}
