using System.Text.Json;
using Actors.Cli.Output;

namespace Actors.Cli.Verify;

/// <summary>Checks that a state contains everything required; additional content does not matter.</summary>
internal static class StateSubset
{
    /// <summary>The first path where <paramref name="actual"/> differs from the requirement, or null.</summary>
    public static string? Difference(JsonElement demanded, JsonElement actual, string path = "state")
    {
        switch (demanded.ValueKind)
        {
            case JsonValueKind.Object when actual.ValueKind == JsonValueKind.Object:
                foreach (var field in demanded.EnumerateObject())
                {
                    var at = $"{path}.{field.Name}";
                    if (!actual.TryGetProperty(field.Name, out var value))
                    {
                        if (field.Value.ValueKind != JsonValueKind.Null)
                            return $"{at} is missing";
                    }
                    else if (Difference(field.Value, value, at) is { } difference)
                    {
                        return difference;
                    }
                }
                return null;

            // The arrays of a user are sets.
            case JsonValueKind.Array when actual.ValueKind == JsonValueKind.Array:
                foreach (var element in demanded.EnumerateArray())
                {
                    if (!actual.EnumerateArray().Any(candidate => JsonElement.DeepEquals(element, candidate)))
                        return $"{path} does not contain {Text.Short(element.GetRawText())}";
                }
                return null;

            default:
                return JsonElement.DeepEquals(demanded, actual)
                    ? null
                    : $"{path} is {Text.Short(actual.GetRawText())}, not {Text.Short(demanded.GetRawText())}";
        }
    }
}
