using System.ComponentModel.DataAnnotations;

namespace Actors.Silo.Configuration;

/// <summary>Reads <see cref="SiloOptions"/> before the host exists, since the host is built by them.</summary>
internal static class SiloConfiguration
{
    public static SiloOptions Read(IConfiguration configuration)
    {
        SiloOptions options;
        try
        {
            options = configuration.GetSection(SiloOptions.Section).Get<SiloOptions>() ?? new SiloOptions();
        }
        catch (InvalidOperationException error)
        {
            throw new ConfigurationException(error.Message);
        }

        foreach (var property in typeof(SiloOptions).GetProperties())
        {
            var key = $"{SiloOptions.Section}:{property.Name}";
            var value = property.GetValue(options);
            foreach (var rule in property.GetCustomAttributes(inherit: true).OfType<ValidationAttribute>())
            {
                if (!rule.IsValid(value)) throw new ConfigurationException($"{key} is {value}; allowed {Allowed(rule)}.");
            }
        }

        return options;
    }

    private static string Allowed(ValidationAttribute rule) => rule switch
    {
        RangeAttribute range => FormattableString.Invariant($"are {range.Minimum} to {range.Maximum}"),
        RegularExpressionAttribute => "are 1 to 64 letters, digits, dots and dashes",
        _ => rule.FormatErrorMessage("it"),
    };
}
