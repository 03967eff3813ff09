using System.ComponentModel.DataAnnotations;

namespace Actors.Silo.Configuration;

/// <summary>Reads <see cref="SiloSettings"/> before the host exists, since the host is built by them.</summary>
internal static class SiloConfiguration
{
    public static SiloSettings Read(IConfiguration configuration)
    {
        SiloSettings settings;
        try
        {
            settings = configuration.GetSection(SiloSettings.Section).Get<SiloSettings>() ?? new SiloSettings();
        }
        catch (InvalidOperationException error)
        {
            throw new ConfigurationException(error.Message);
        }

        foreach (var property in typeof(SiloSettings).GetProperties())
        {
            var key = $"{SiloSettings.Section}:{property.Name}";
            var value = property.GetValue(settings);
            foreach (var rule in property.GetCustomAttributes(inherit: true).OfType<ValidationAttribute>())
            {
                if (!rule.IsValid(value)) throw new ConfigurationException($"{key} is {value}; allowed {Allowed(rule)}.");
            }
        }

        return settings;
    }

    private static string Allowed(ValidationAttribute rule) => rule switch
    {
        RangeAttribute range => FormattableString.Invariant($"are {range.Minimum} to {range.Maximum}"),
        RegularExpressionAttribute => "are 1 to 64 letters, digits, dots and dashes",
        _ => rule.FormatErrorMessage("it"),
    };
}
