using Actors.Membership;
using Actors.Redis;
using Actors.Silo.Configuration;
using Actors.WriteBehind;
using Microsoft.Extensions.Options;

namespace Actors.Silo;

/// <summary>The reason why a silo failed to start or stopped: an exit code and one line.</summary>
internal sealed record StartFailure(int ExitCode, string Line)
{
    /// <summary>The assembly whose errors name the invalid key.</summary>
    private const string ConfigurationBinder = "Microsoft.Extensions.Configuration.Binder";
    private const int LongestCause = 600;

    /// <summary>Uses an error of the chain that is complete by itself, otherwise the step that failed.</summary>
    public static StartFailure Of(Exception error, StartStep step)
    {
        var (exitCode, text) = Known(error) ?? (step.ExitCode, $"{step.Name} failed: {Cause(error)}. {step.Advice}");
        return new StartFailure(exitCode, PrintableText.Of(text.ReplaceLineEndings(" ")));
    }

    // The host may wrap errors of the start.
    private static (int ExitCode, string Text)? Known(Exception error) => error switch
    {
        UnsuitableDatabaseException => (SiloExitCode.BadConfiguration, WithKey(error.Message)),
        ConfigurationException or ServiceInUseException or ClockSkewException => (SiloExitCode.BadConfiguration, error.Message),
        OptionsValidationException invalid => (SiloExitCode.BadConfiguration, string.Join(" ", invalid.Failures)),
        StorageUnavailableException => (SiloExitCode.Unavailable, WithKey(error.Message)),
        InvalidOperationException { Source: ConfigurationBinder } =>
            (SiloExitCode.BadConfiguration, $"{Cause(error)}. Correct the value."),
        OrleansConfigurationException => (SiloExitCode.BadConfiguration, $"{StartStep.Host.Name} failed: {Cause(error)}. {StartStep.Host.Advice}"),
        AggregateException several => several.InnerExceptions.Select(Known).FirstOrDefault(known => known is not null),
        { InnerException: { } inner } => Known(inner),
        _ => null,
    };

    // The stores know their address but not the name of the setting.
    private static string WithKey(string message) =>
        message.Contains("ConnectionStrings:", StringComparison.Ordinal) || message.Contains("Actors:", StringComparison.Ordinal)
        ? message
        : $"{message.TrimEnd('.')}. It is set by "
            + $"{(message.Contains("SQLite", StringComparison.Ordinal) ? "Actors:DataDirectory" : "ConnectionStrings:postgres")}.";

    /// <summary>The messages of the chain, each once.</summary>
    private static string Cause(Exception error)
    {
        var messages = new List<string>();
        for (var each = error; each is not null; each = each.InnerException)
        {
            // A wrapper without a message of its own adds nothing to its inner error.
            var message = each.Message.Trim().TrimEnd('.');
            if (each is AggregateException && each.InnerException is not null) continue;
            if (!messages.Exists(earlier => earlier.Contains(message, StringComparison.Ordinal))) messages.Add(message);
        }

        var cause = string.Join(": ", messages);
        return cause.Length <= LongestCause ? cause : cause[..LongestCause] + "…";
    }
}
