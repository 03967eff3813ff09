using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Actors.Cli.Output;

namespace Actors.Cli.Commands;

/// <summary>Options whose errors show the value and the allowed values.</summary>
internal static class OptionKinds
{
    public static Option<int> Number(string name, string description, int fallback, int min, int max) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => fallback,
        CustomParser = result =>
        {
            var text = ValueOf(result);
            if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
                && value >= min && value <= max)
            {
                return value;
            }
            result.AddError($"{name} '{Text.Short(text)}': use a whole number from {Text.Of(min)} to {Text.Of(max)}");
            return fallback;
        },
    };

    public static Option<long?> Version(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result =>
        {
            var text = ValueOf(result);
            if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
                return value;
            result.AddError($"{name} '{Text.Short(text)}': use a whole number from 0");
            return null;
        },
    };

    public static Option<Durability> DurabilityOf(string description, params Durability[] allowed) => new("--durability")
    {
        Description = $"{description} One of {NamesOf(allowed)}.",
        HelpName = "D",
        DefaultValueFactory = _ => Durability.Journal,
        CustomParser = result => Parse(result, ValueOf(result), allowed),
    };

    /// <summary>Like <see cref="DurabilityOf"/>, for several values separated by commas.</summary>
    public static Option<Durability[]> DurabilitiesOf(string description, params Durability[] allowed) => new("--durability")
    {
        Description = $"{description} One or more of {NamesOf(allowed)}, separated by commas.",
        HelpName = "D",
        DefaultValueFactory = _ => [Durability.Journal],
        CustomParser = result => [.. ValueOf(result).Split(',').Select(name => Parse(result, name, allowed)).Distinct()],
    };

    public static Option<string[]> Repeated(string name, string description, string value) => new(name)
    {
        Description = description + " Can be repeated.",
        HelpName = value,
        Arity = ArgumentArity.ZeroOrMore,
        AllowMultipleArgumentsPerToken = false,
        DefaultValueFactory = _ => [],
    };

    public static Option<string?> Word(string name, string description, string value) => new(name)
    {
        Description = description,
        HelpName = value,
    };

    public static Option<string> Phrase(string name, string description, string value, int longest) => new(name)
    {
        Description = $"{description} 1 to {Text.Of(longest)} characters.",
        HelpName = value,
        Required = true,
        CustomParser = result =>
        {
            var text = ValueOf(result).Trim();
            if (text.Length is 0 || text.Length > longest)
            {
                result.AddError(
                    $"{name} '{Text.Short(text)}': use 1 to {Text.Of(longest)} characters, not {Text.Of(text.Length)}");
            }
            return text;
        },
    };

    /// <summary>One of several words; the first is the default.</summary>
    public static Option<string> Choice(string name, string description, params string[] allowed) => new(name)
    {
        Description = description,
        HelpName = string.Join('|', allowed),
        DefaultValueFactory = _ => allowed[0],
        CustomParser = result =>
        {
            var text = ValueOf(result);
            if (allowed.FirstOrDefault(each => string.Equals(each, text, StringComparison.OrdinalIgnoreCase)) is { } choice)
                return choice;
            result.AddError($"{name} '{Text.Short(text)}': use one of {string.Join(", ", allowed)}");
            return allowed[0];
        },
    };

    /// <summary>The name of a rate limit policy.</summary>
    public static Option<string> Policy(string description) => new("--policy")
    {
        Description = description,
        HelpName = "P",
        DefaultValueFactory = _ => RateLimits.DefaultPolicy,
        CustomParser = result =>
        {
            var text = ValueOf(result);
            try
            {
                RateLimits.ValidatePolicyName(text);
            }
            catch (InvalidRateLimitException e)
            {
                result.AddError($"--policy: {e.Message}");
            }
            return text;
        },
    };

    /// <summary>How long a limiter call may wait for its turn.</summary>
    public static Option<TimeSpan> Wait() => new("--wait")
    {
        Description = $"Maximum time to wait for permits, up to {DurationText.Of(RateLimits.MaxWait)}; 0: do not wait.",
        HelpName = "DURATION",
        DefaultValueFactory = _ => TimeSpan.Zero,
        CustomParser = result =>
        {
            var text = ValueOf(result);
            if (DurationText.TryParse(text, out var wait) && wait <= RateLimits.MaxWait)
                return wait;
            result.AddError($"--wait '{Text.Short(text)}': use 0 to {DurationText.Of(RateLimits.MaxWait)}, {DurationText.Allowed}");
            return TimeSpan.Zero;
        },
    };

    private static Durability Parse(ArgumentResult result, string text, Durability[] allowed)
    {
        foreach (var durability in allowed)
        {
            if (string.Equals(text, Text.Of(durability), StringComparison.OrdinalIgnoreCase))
                return durability;
        }
        result.AddError($"--durability '{Text.Short(text)}': use {NamesOf(allowed)}");
        return Durability.Journal;
    }

    private static string NamesOf(Durability[] durabilities) => string.Join(", ", durabilities.Select(Text.Of));

    private static string ValueOf(ArgumentResult result) => result.Tokens.Count == 0 ? "" : result.Tokens[^1].Value;
}
