using Actors.Membership;
using Actors.Redis;
using Actors.Silo.Configuration;
using Actors.WriteBehind;
using Microsoft.Extensions.Options;

namespace Actors.Silo;

/// <summary>Why a silo did not start, or ended: an exit code and one line.</summary>
internal sealed record StartFailure(int ExitCode, string Line)
{
    /// <summary>The assembly whose errors name the key that cannot be read.</summary>
    private const string ConfigurationBinder = "Microsoft.Extensions.Configuration.Binder";
    private const int LongestCause = 600;

    /// <summary>By an error that says it all, wherever in the chain that is, else by the step that failed.</summary>
    public static StartFailure Of(Exception error, StartStep step)
    {
        var (exitCode, text) = Known(error) ?? (step.ExitCode, $"{step.Name} failed: {Cause(error)}. {step.Advice}");
        return new StartFailure(exitCode, PrintableText.Of(text.ReplaceLineEndings(" ")));
    }

    // What goes wrong while the host starts may come wrapped by it.
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

    // The stores know where they are, not by which setting.
    private static string WithKey(string message) => message.Contains("ConnectionStrings:", StringComparison.Ordinal) || message.Contains("Actors:", StringComparison.Ordinal)
        ? message
        : $"{message.TrimEnd('.')}. It is set by {(message.Contains("SQLite", StringComparison.Ordinal) ? "Actors:DataDirectory" : "ConnectionStrings:postgres")}.";

    /// <summary>The messages of the chain, each once.</summary>
    private static string Cause(Exception error)
    {
        var messages = new List<string>();
        for (var each = error; each is not null; each = each.InnerException)
        {
            // Of a wrapper that names only its type the inner one says more.
            var message = each.Message.Trim().TrimEnd('.');
            if (each is AggregateException && each.InnerException is not null) continue;
            if (!messages.Exists(earlier => earlier.Contains(message, StringComparison.Ordinal))) messages.Add(message);
        }

        var cause = string.Join(": ", messages);
        return cause.Length <= LongestCause ? cause : cause[..LongestCause] + "…";
    }
}
