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
    public static IReadOnlyDictionary<string, string> Of(TimeSpan ahead) => new Dictionary<string, string>
    {
        ["LD_PRELOAD"] = Library
            ?? throw new InvalidOperationException("libfaketime was not found; it works on Linux only. Install it: apt-get install faketime (Debian, Ubuntu)."),
        ["FAKETIME"] = ahead.TotalSeconds.ToString("+0.000;-0.000", CultureInfo.InvariantCulture),
        ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
    };
}
