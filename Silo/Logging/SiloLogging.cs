using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.Logging.Console;

namespace Actors.Silo.Logging;

/// <summary>How a silo logs, unless <c>Logging:*</c> says otherwise.</summary>
internal static class SiloLogging
{
    private const string FormatterName = "Logging:Console:FormatterName";

    private static readonly string[] Text = [ConsoleFormatterNames.Simple, ConsoleFormatterNames.Systemd];

    /// <summary>True if a person reads the log, not a program.</summary>
    public static bool IsForPeople(IConfiguration configuration) =>
        string.Equals(configuration[FormatterName], ConsoleFormatterNames.Simple, StringComparison.OrdinalIgnoreCase);

    /// <summary>Adds the defaults below all other sources, so that these override them.</summary>
    public static void AddDefaults(ConfigurationManager configuration)
    {
        var isForPeople = string.IsNullOrEmpty(configuration[FormatterName]) || IsForPeople(configuration);
        configuration.Sources.Insert(0, new MemoryConfigurationSource
        {
            InitialData = new Dictionary<string, string?>
            {
                [FormatterName] = ConsoleFormatterNames.Simple,
                ["Logging:Console:FormatterOptions:SingleLine"] = "true",

                // What a program collects from many machines needs the date and the zone.
                ["Logging:Console:FormatterOptions:TimestampFormat"] = isForPeople ? "HH:mm:ss " : "yyyy-MM-dd'T'HH:mm:ss.fff'Z'",
                ["Logging:Console:FormatterOptions:UseUtcTimestamp"] = isForPeople ? "false" : "true",
                ["Logging:LogLevel:Default"] = "Warning",
                ["Logging:LogLevel:Actors"] = "Information",
                ["Logging:LogLevel:Actors.Hosting.SiloStatusService"] = "Warning",
                ["Logging:LogLevel:Actors.Redis.RedisBreakerService"] = "Warning",
                ["Logging:LogLevel:Actors.Membership.MembershipService"] = "Warning",
                ["Logging:LogLevel:Actors.WriteBehind.PartitionService"] = "Warning",

                // What keeps the silo from starting is said in one line when it ends (SiloProgram).
                ["Logging:LogLevel:Microsoft.Extensions.Hosting.Internal.Host"] = "None",
                ["Logging:LogLevel:Orleans.Runtime.Silo"] = "Critical",
                ["Logging:LogLevel:Orleans.Hosting.SiloHostedService"] = "None",

                // Asked every few seconds by whoever watches; what is wrong is in the answer.
                ["Logging:LogLevel:Microsoft.Extensions.Diagnostics.HealthChecks"] = "None",

                // Repeat with a stack trace each time that Redis is away; MembershipKeeper says so once.
                ["Logging:LogLevel:Orleans.Runtime.MembershipService.MembershipTableManager"] = "Error",
                ["Logging:LogLevel:Orleans.Runtime.MembershipService.MembershipAgent"] = "Error",

                // Warns at every start that its first check, measured from the machine's boot, is late.
                ["Logging:LogLevel:Orleans.Runtime.Watchdog"] = "Error",
            },
        });
    }

    /// <summary>Has the console quote what comes from outside, and leave out traces as long as <paramref name="progress"/> says.</summary>
    public static ILoggingBuilder QuoteConsole(this ILoggingBuilder logging, StartProgress progress)
    {
        var formatters = logging.Services.Where(service => service.ServiceType == typeof(ConsoleFormatter) && service.ImplementationType is not null).ToList();
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
