using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.Logging.Console;

namespace Actors.Silo.Logging;

/// <summary>The default logging of a silo, which <c>Logging:*</c> overrides.</summary>
internal static class SiloLogging
{
    private const string FormatterName = "Logging:Console:FormatterName";

    private static readonly string[] Text = [ConsoleFormatterNames.Simple, ConsoleFormatterNames.Systemd];

    /// <summary>True if the log is meant for a human reader, not for a program.</summary>
    public static bool IsForPeople(IConfiguration configuration) =>
        string.Equals(configuration[FormatterName], ConsoleFormatterNames.Simple, StringComparison.OrdinalIgnoreCase);

    /// <summary>Adds the defaults below all other sources, so that those override them.</summary>
    public static void AddDefaults(ConfigurationManager configuration)
    {
        var isForPeople = string.IsNullOrEmpty(configuration[FormatterName]) || IsForPeople(configuration);
        configuration.Sources.Insert(0, new MemoryConfigurationSource
        {
            InitialData = new Dictionary<string, string?>
            {
                [FormatterName] = ConsoleFormatterNames.Simple,
                ["Logging:Console:FormatterOptions:SingleLine"] = "true",

                // Logs collected from many machines need the date and the time zone.
                ["Logging:Console:FormatterOptions:TimestampFormat"] = isForPeople ? "HH:mm:ss " : "yyyy-MM-dd'T'HH:mm:ss.fff'Z'",
                ["Logging:Console:FormatterOptions:UseUtcTimestamp"] = isForPeople ? "false" : "true",
                ["Logging:LogLevel:Default"] = "Warning",
                ["Logging:LogLevel:Actors"] = "Information",
                ["Logging:LogLevel:Actors.Hosting.SiloStatusService"] = "Warning",
                ["Logging:LogLevel:Actors.Redis.RedisBreakerService"] = "Warning",
                ["Logging:LogLevel:Actors.Membership.MembershipService"] = "Warning",
                ["Logging:LogLevel:Actors.WriteBehind.PartitionService"] = "Warning",

                // The reason of a failed start is printed in one line at the end (SiloProgram).
                ["Logging:LogLevel:Microsoft.Extensions.Hosting.Internal.Host"] = "None",
                ["Logging:LogLevel:Orleans.Runtime.Silo"] = "Critical",
                ["Logging:LogLevel:Orleans.Hosting.SiloHostedService"] = "None",

                // Monitoring runs the checks every few seconds, and the response describes the problem.
                ["Logging:LogLevel:Microsoft.Extensions.Diagnostics.HealthChecks"] = "None",

                // These repeat a stack trace whenever Redis is unavailable; MembershipKeeper logs that once.
                ["Logging:LogLevel:Orleans.Runtime.MembershipService.MembershipTableManager"] = "Error",
                ["Logging:LogLevel:Orleans.Runtime.MembershipService.MembershipAgent"] = "Error",

                // Warns at every start that its first check is late, because it measures from the boot of the machine.
                ["Logging:LogLevel:Orleans.Runtime.Watchdog"] = "Error",
            },
        });
    }

    /// <summary>Escapes foreign text on the console, and omits stack traces as <paramref name="progress"/> demands.</summary>
    public static ILoggingBuilder QuoteConsole(this ILoggingBuilder logging, StartProgress progress)
    {
        var formatters = logging.Services
            .Where(service => service.ServiceType == typeof(ConsoleFormatter) && service.ImplementationType is not null)
            .ToList();
        foreach (var formatter in formatters)
        {
            logging.Services.Remove(formatter);
            logging.Services.AddSingleton<ConsoleFormatter>(provider =>
            {
                var made = (ConsoleFormatter)ActivatorUtilities.CreateInstance(provider, formatter.ImplementationType!);
                return new QuotingFormatter(made, Text.Contains(made.Name, StringComparer.OrdinalIgnoreCase), progress);
            });
        }

        return logging;
    }
}
