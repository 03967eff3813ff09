namespace Actors.Silo.Configuration;

/// <summary>Validates the standard OTLP variables. The exporter itself silently ignores values it cannot read.</summary>
internal static class OtlpExport
{
    private static readonly string[] Endpoints = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];
    private static readonly string[] Protocols = ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"];
    private static readonly string[] Times = ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_METRIC_EXPORT_INTERVAL"];

    /// <summary>True if a collector is configured, to which metrics are pushed.</summary>
    /// <exception cref="ConfigurationException">A variable cannot be read.</exception>
    public static bool IsWanted(IConfiguration configuration)
    {
        Check(Endpoints, IsUrl, "a URL with http or https, for example http://collector:4317");
        Check(Protocols, value => value is "grpc" or "http/protobuf", "grpc or http/protobuf");
        Check(Times, value => int.TryParse(value, out var time) && time > 0, "a whole number of milliseconds from 1");
        return Endpoints.Any(key => !string.IsNullOrEmpty(configuration[key]));

        void Check(string[] keys, Predicate<string> isAllowed, string allowed)
        {
            foreach (var key in keys)
            {
                if (configuration[key] is { Length: > 0 } value && !isAllowed(value))
                    throw new ConfigurationException($"{key} is {Shown(value)}; use {allowed}.");
            }
        }
    }

    // A URL may contain a user name and a password. The exporter takes credentials from OTEL_EXPORTER_OTLP_HEADERS instead.
    private static bool IsUrl(string value) =>
        Uri.TryCreate(value, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.Host.Length > 0 && url.UserInfo.Length == 0;

    private static string Shown(string value) =>
        value.Contains('@', StringComparison.Ordinal) ? "a value with a user name (not shown)" : $"'{value}'";
}
