using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Actors.Core;

/// <summary>Validates options against their <see cref="RangeAttribute"/>s. Messages name the configuration key.</summary>
internal static class RangeValidation
{
    /// <summary>Validates the ranges of <typeparamref name="T"/>, which is bound to <paramref name="section"/>.</summary>
    public static OptionsBuilder<T> ValidateRanges<T>(this OptionsBuilder<T> builder, string section)
        where T : class
    {
        builder.Services.AddSingleton<IValidateOptions<T>>(new Validator<T>(section));
        return builder;
    }

    private sealed class Validator<T>(string section) : IValidateOptions<T>
        where T : class
    {
        public ValidateOptionsResult Validate(string? name, T options)
        {
            var failures = typeof(T).GetProperties()
                .Select(property => (property, range: property.GetCustomAttribute<RangeAttribute>()))
                .Where(each => each.range is not null && !each.range.IsValid(each.property.GetValue(options)))
                .Select(each => string.Create(
                    CultureInfo.InvariantCulture,
                    $"{section}:{each.property.Name} is {each.property.GetValue(options)}; " +
                    $"use {each.range!.Minimum} to {each.range.Maximum}."))
                .ToList();
            return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
        }
    }
}
