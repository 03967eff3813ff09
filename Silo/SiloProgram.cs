using Actors.Resilience;
using Actors.Silo.Configuration;
using Actors.WriteBehind;
using Microsoft.Extensions.Options;

namespace Actors.Silo;

/// <summary>Runs a silo to its end, and says in a line what kept it from running.</summary>
internal static class SiloProgram
{
    private const int Failed = 1;
    private const int BadConfiguration = 2;
    private const int Unavailable = 4;

    /// <summary>The assembly whose errors are about what the configuration says.</summary>
    private const string ConfigurationBinder = "Microsoft.Extensions.Configuration.Binder";

    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            await SiloHost.RunAsync([.. args.Select(LongForm)]);
            return 0;
        }
        catch (Exception error)
        {
            var (exitCode, message) = Explain(error);
            await Console.Error.WriteLineAsync($"error: {message}");
            return exitCode;
        }
    }

    // A switch that stands alone, which the configuration does not know.
    private static string LongForm(string argument) =>
        argument == "--accept-data-loss" ? $"--{SiloSettings.Section}:{nameof(SiloSettings.AcceptDataLoss)}=true" : argument;

    // What goes wrong while the host starts may come wrapped by it.
    private static (int ExitCode, string Message) Explain(Exception error) => error switch
    {
        ConfigurationException or UnsuitableDatabaseException or ServiceInUseException or ClockSkewException => (BadConfiguration, error.Message),
        OptionsValidationException invalid => (BadConfiguration, string.Join(Environment.NewLine + "error: ", invalid.Failures)),
        StorageUnavailableException => (Unavailable, error.Message),
        AggregateException { InnerExceptions: [var only] } => Explain(only),
        InvalidOperationException { Source: ConfigurationBinder } => (BadConfiguration, error.Message),
        { InnerException: { } inner } when Explain(inner) is { ExitCode: not Failed } explained => explained,
        _ => (Failed, error.ToString()),
    };
}
