using System.ComponentModel.DataAnnotations;

namespace Actors.Silo.Configuration;

/// <summary>Reads <see cref="SiloSettings"/> before the host exists, because the host depends on them.</summary>
internal static class SiloConfiguration
{
    // Bound elsewhere, equally strictly.
    private static readonly string[] Sections = ["WriteBehind", "Cache", "Breaker", "RateLimits", "Users", "Client"];

    public static SiloSettings Read(IConfiguration configuration)
    {
        RefuseUnknownKeys(configuration.GetSection(SiloSettings.Section));
        SiloArguments.CheckConnectionStrings(configuration);
        CheckLogLevels(configuration.GetSection("Logging"));
        SiloSettings settings;
        try
        {
            settings = configuration.GetSection(SiloSettings.Section).Get<SiloSettings>() ?? new SiloSettings();
        }
        catch (InvalidOperationException error)
        {
            throw new ConfigurationException($"{error.Message} Correct the value.");
        }

        foreach (var property in typeof(SiloSettings).GetProperties())
        {
            var key = $"{SiloSettings.Section}:{property.Name}";
            var value = property.GetValue(settings);
            foreach (var rule in property.GetCustomAttributes(inherit: true).OfType<ValidationAttribute>())
            {
                if (!rule.IsValid(value)) throw new ConfigurationException($"{key} is {Shown(value)}; use {Allowed(rule)}.");
            }
        }

        return settings;
    }

    private static void RefuseUnknownKeys(IConfigurationSection section)
    {
        var known = typeof(SiloSettings).GetProperties().Select(property => property.Name).Concat(Sections).ToList();
        foreach (var given in section.GetChildren().Where(child => !known.Contains(child.Key, StringComparer.OrdinalIgnoreCase)))
            throw new ConfigurationException(
                $"{PrintableText.Of(given.Path)} is not a setting; the settings are {string.Join(", ", known.Select(name => $"{section.Key}:{name}"))}.");
    }

    // The logger's own error names neither the key nor the allowed values.
    private static void CheckLogLevels(IConfigurationSection section)
    {
        foreach (var child in section.GetChildren())
        {
            if (child.Key.Equals("LogLevel", StringComparison.OrdinalIgnoreCase))
            {
                foreach (var level in child.GetChildren())
                {
                    if (!Enum.TryParse<LogLevel>(level.Value, ignoreCase: true, out _))
                    {
                        throw new ConfigurationException(
                            $"{level.Path} is {WellFormedText.Quote(level.Value ?? "")}; "
                            + $"use {string.Join(", ", Enum.GetNames<LogLevel>())}.");
                    }
                }
            }
            else if (child.GetSection("LogLevel").Exists())
            {
                CheckLogLevels(child);
            }
        }
    }

    private static string Shown(object? value) => value is string text ? WellFormedText.Quote(text) : FormattableString.Invariant($"{value}");

    private static string Allowed(ValidationAttribute rule) => rule switch
    {
        RangeAttribute range => FormattableString.Invariant($"{range.Minimum} to {range.Maximum}"),
        RegularExpressionAttribute => "1 to 64 letters, digits, dots and dashes",
        StringLengthAttribute length => FormattableString.Invariant($"{length.MinimumLength} to {length.MaximumLength} characters"),
        _ => rule.FormatErrorMessage("it"),
    };
}
