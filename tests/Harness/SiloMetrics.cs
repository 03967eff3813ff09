using System.Globalization;
using Actors.Fixtures;

namespace Actors.Harness;

/// <summary>The metrics of a silo.</summary>
public static class SiloMetrics
{
    /// <summary>The values of a metric, one for each set of labels.</summary>
    /// <exception cref="InvalidOperationException">The silo has no such metric.</exception>
    public static async Task<IReadOnlyList<double>> ReadAsync(SiloProcess silo, string metric)
    {
        var metrics = await silo.GetAsync("/metrics");

        // NAME{LABELS} VALUE TIMESTAMP; labels and timestamp are optional.
        double[] values = [.. metrics.Split('\n')
            .Where(line => line.StartsWith(metric, StringComparison.Ordinal) && line.Length > metric.Length && line[metric.Length] is '{' or ' ')
            .Select(line => line[(line.IndexOf('}', StringComparison.Ordinal) + 1)..].Replace(metric, "", StringComparison.Ordinal).Trim().Split(' ')[0])
            .Select(value => double.Parse(value, CultureInfo.InvariantCulture))];
        return values.Length > 0 ? values : throw new InvalidOperationException($"The silo has no metric {metric}:\n{metrics}");
    }
}
