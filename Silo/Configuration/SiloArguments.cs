using Actors.Redis;

namespace Actors.Silo.Configuration;

/// <summary>
/// Reads the command line more strictly than .NET configuration, which ignores stray words, options without a value and unknown
/// keys.
/// </summary>
internal static class SiloArguments
{
    /// <summary>The output of <c>--help</c>.</summary>
    public const string Help = """
        Runs a silo of an Actors cluster until it is stopped (Ctrl-C or SIGTERM).

        Usage:
          Actors.Silo [--KEY VALUE | --KEY=VALUE]... [--accept-data-loss]

        Every key may also be set in the environment (Actors__SiloPort=11112) or in appsettings.json in the current directory.

        Often used:
          --ConnectionStrings:redis host:port,password=...   Redis. Default: one inside this process
          --ConnectionStrings:postgres Host=...;Database=... PostgreSQL. Default: SQLite inside this process
          --Actors:Address IP | auto                         the address for other silos and clients. Default: 127.0.0.1
          --Actors:SiloPort PORT, --Actors:GatewayPort PORT  for silos and for clients. Default: the first free ones from 11111 and 30000
          --Actors:ClusterId ID, --Actors:ServiceId ID       the cluster, and the data it uses. Default: actors
          --Actors:DataDirectory DIR                         data of embedded Redis and SQLite. Default: .actors
          --urls http://HOST:PORT                            health, metrics. Default: http://127.0.0.1:8080, or the next free port
          --Logging:LogLevel:Default LEVEL                   Trace, Debug, Information, Warning, Error, Critical or None
          --Logging:Console:FormatterName simple | json      plain lines, or JSON
          --accept-data-loss                                 start once although embedded data is damaged
          --help                                             show this help

        Exit codes:
          0 stopped gracefully   1 failed   2 the configuration is wrong   4 Redis or the database cannot be used

        All keys: docs/operating.md
        """;

    private const string AcceptDataLoss = "--accept-data-loss";

    // Other settings that the host and its parts read.
    private static readonly string[] Sections = [SiloSettings.Section, "ConnectionStrings", "Logging", "Kestrel"];
    private static readonly string[] Keys =
    [
        "urls", "http_ports", "https_ports", "environment", "contentRoot", "applicationName", "AllowedHosts", "detailedErrors",
    ];

    public static bool IsHelp(string[] args) => args.Any(argument => argument is "--help" or "-h" or "-?" or "/?");

    /// <summary>The arguments in the form the configuration reads, each with its value.</summary>
    /// <exception cref="ConfigurationException">An argument is a stray word, lacks its value, or is not a setting.</exception>
    public static string[] Read(string[] args)
    {
        var read = new List<string>();
        for (var i = 0; i < args.Length; i++)
        {
            var argument = args[i];
            if (argument == AcceptDataLoss)
            {
                read.Add($"--{SiloSettings.Section}:{nameof(SiloSettings.AcceptDataLoss)}=true");
                continue;
            }

            var start = argument.StartsWith("--", StringComparison.Ordinal) ? 2 : argument.StartsWith('/') ? 1 : 0;
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            if (start == 0 && (equals < 0 || argument.StartsWith('-')))
                throw new ConfigurationException(
                    $"Unknown argument {Name(argument)}; write settings as --KEY VALUE, and quote values with blanks. See --help.");

            var key = equals < 0 ? argument[start..] : argument[start..equals];
            if (!IsKnown(key))
            {
                throw new ConfigurationException(
                    $"Unknown option {Name("--" + key)}; "
                    + $"settings are --{SiloSettings.Section}:..., --ConnectionStrings:..., --Logging:..., --Kestrel:... and"
                    + " --urls, with colons between their parts. See --help.");
            }

            if (equals < 0 && (i + 1 == args.Length || args[i + 1].StartsWith("--", StringComparison.Ordinal)))
                throw new ConfigurationException(
                    $"--{PrintableText.Of(key)} has no value; "
                    + $"write --{PrintableText.Of(key)} VALUE, or --{PrintableText.Of(key)}=VALUE. See --help.");
            read.Add($"--{key}={(equals < 0 ? args[++i] : argument[(equals + 1)..])}");
        }

        return [.. read];

        // Text after a connection string may be the rest of a password with a blank in it.
        string Name(string text) => read.Exists(earlier => earlier.StartsWith("--ConnectionStrings", StringComparison.OrdinalIgnoreCase))
            ? "after the connection string (not shown because it may be part of a password)"
            : WellFormedText.Quote(text.Split('=')[0]);
    }

    /// <summary>Rejects a misspelt name of our connection strings. Without it the silo would use another server.</summary>
    public static void CheckConnectionStrings(IConfiguration configuration)
    {
        foreach (var given in configuration.GetSection("ConnectionStrings").GetChildren())
        {
            if (given.Key.StartsWith("redis", StringComparison.OrdinalIgnoreCase)
                || given.Key.StartsWith("postgres", StringComparison.OrdinalIgnoreCase))
                CheckConnectionString(given.Key);
        }
    }

    private static bool IsKnown(string key)
    {
        var first = key.Split(':')[0];
        return key.Contains(':', StringComparison.Ordinal)
            ? Sections.Contains(first, StringComparer.OrdinalIgnoreCase)
            : Keys.Contains(key, StringComparer.OrdinalIgnoreCase) || key.StartsWith("OTEL_", StringComparison.OrdinalIgnoreCase);
    }

    private static void CheckConnectionString(string name)
    {
        string[] known = ["redis", "postgres", .. Enum.GetValues<RedisRole>().Select(RedisConfiguration.KeyOf)];
        if (!known.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            throw new ConfigurationException(
                $"ConnectionStrings:{PrintableText.Of(name)} is not a setting; "
                + $"the settings are {string.Join(", ", known.Select(each => "ConnectionStrings:" + each))}.");
        }
    }
}
