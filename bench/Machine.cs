using System.Globalization;
using System.Runtime.InteropServices;

namespace Actors.Bench;

/// <summary>The machine of a measurement, because rates mean nothing without it.</summary>
internal static class Machine
{
    public static string Describe() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Environment.ProcessorCount} cores, {Model() ?? RuntimeInformation.ProcessArchitecture.ToString()}, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}");

    private static string? Model()
    {
        const string information = "/proc/cpuinfo";
        if (!File.Exists(information)) return null;
        return File.ReadLines(information).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
    }
}
