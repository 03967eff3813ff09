using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>Validates the options of a client before it connects; failures name the key, the value, and what is allowed.</summary>
internal sealed class ActorsClientOptionsValidator : IValidateOptions<ActorsClientOptions>
{
    private static readonly TimeSpan Millisecond = TimeSpan.FromMilliseconds(1);

    public ValidateOptionsResult Validate(string? name, ActorsClientOptions options)
    {
        var failures = new List<string>();
        Check(nameof(options.ConnectTimeout), options.ConnectTimeout, TimeSpan.Zero, TimeSpan.FromHours(1));
        Check(nameof(options.ResponseTimeout), options.ResponseTimeout, 100 * Millisecond, TimeSpan.FromHours(1));
        Check(nameof(options.MaxAttempts), options.MaxAttempts, 1, 100);
        Check(nameof(options.FirstPause), options.FirstPause, Millisecond, TimeSpan.FromMinutes(1));
        Check(nameof(options.AttemptTimeout), options.AttemptTimeout, 100 * Millisecond, TimeSpan.FromHours(1));
        Check(nameof(options.CoalesceAbove), options.CoalesceAbove, 0, 1_000_000);
        for (var index = 0; index < options.Gateways.Length; index++)
        {
            var gateway = options.Gateways[index];
            if (!GatewayAddress.TryParse(gateway, out _))
            {
                failures.Add($"{ActorsClientOptions.SectionName}:{nameof(options.Gateways)}:{index} is {GatewayAddress.Quote(gateway)}; "
                    + $"use {GatewayAddress.Allowed}.");
            }
        }
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);

        void Check<T>(string option, T value, T least, T most) where T : IComparable<T>
        {
            if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
                failures.Add($"{ActorsClientOptions.SectionName}:{option} is {value}; use {least} to {most}.");
        }
    }
}
