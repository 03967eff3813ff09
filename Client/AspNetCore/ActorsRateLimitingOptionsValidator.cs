using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Actors;

/// <summary>Validates the options at the start; failures name the value and what is allowed.</summary>
internal sealed class ActorsRateLimitingOptionsValidator(IServiceProviderIsService services) : IValidateOptions<ActorsRateLimitingOptions>
{
    public ValidateOptionsResult Validate(string? name, ActorsRateLimitingOptions options)
    {
        if (!services.IsService(typeof(ActorsClient)))
            return ValidateOptionsResult.Fail("AddActorsRateLimiting needs the client of a cluster: call builder.AddActorsClient() as well.");
        try
        {
            options.ToLimiterOptions().Validate();
            if (options.AddressPolicy is { } policy) RateLimits.ValidatePolicyName(policy);
            if (options.SharedClientId is { } id) RateLimits.ValidateId(id);
            return ValidateOptionsResult.Success;
        }
        catch (Exception error) when (error is ArgumentException or InvalidRateLimitException)
        {
            return ValidateOptionsResult.Fail(error.Message);
        }
    }
}
