using System.Globalization;

namespace Actors.Fixtures;

/// <summary>
/// Programs whose clock is off. libfaketime answers when they ask what time it is; clocks that only go forward, which
/// time-outs and delays rest on, are left alone, as they are where a machine's clock is wrong.
/// </summary>
public static class ClockOffset
{
    private static readonly string? Library = !OperatingSystem.IsLinux()
        ? null
        : Directory.GetDirectories("/usr/lib")
            .Select(directory => Path.Combine(directory, "faketime", "libfaketimeMT.so.1"))
            .Append("/usr/lib/faketime/libfaketimeMT.so.1")
            .FirstOrDefault(File.Exists);

    /// <summary>What a program has to find in its environment for its clock to be ahead by so much.</summary>
    /// <exception cref="InvalidOperationException">libfaketime is not there.</exception>
    public static IReadOnlyDictionary<string, string> Of(TimeSpan ahead) => With(Faketime, "FAKETIME", Text(ahead));

    /// <summary>The same for redis-server, where the clock is set while it runs: by <see cref="Set"/>.</summary>
    /// <param name="file">Where it looks for by how much it is ahead.</param>
    public static IReadOnlyDictionary<string, string> In(string file) =>
        // Debian's asks jemalloc for memory, and that asks for the time, before libfaketime can answer: malloc is libc's then.
        With($"{Faketime}:libc.so.6", "FAKETIME_TIMESTAMP_FILE", file);

    /// <summary>Sets the clock of programs that look at this file, at once.</summary>
    public static void Set(string file, TimeSpan ahead)
    {
        // In one step: half a line would be another time.
        File.WriteAllText(file + ".new", Text(ahead));
        File.Move(file + ".new", file, overwrite: true);
    }

    private static string Faketime => Library
        ?? throw new InvalidOperationException("libfaketime was not found; it works on Linux only. Install it: apt-get install faketime (Debian, Ubuntu).");

    private static Dictionary<string, string> With(string libraries, string name, string value) => new()
    {
        ["LD_PRELOAD"] = libraries,
        [name] = value,
        ["FAKETIME_NO_CACHE"] = "1",
        ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",

        // Its way around a defect of old C libraries makes the timed waits of .NET end too early or too late.
        ["FAKETIME_FORCE_MONOTONIC_FIX"] = "0",
    };

    private static string Text(TimeSpan ahead) => ahead.TotalSeconds.ToString("+0.000;-0.000;+0", CultureInfo.InvariantCulture);
}
