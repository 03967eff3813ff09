using System.Text.Json;
using Actors.Cli.Output;

namespace Actors.Cli.Verify;

/// <summary>Whether a state holds all that was demanded of it; what it holds beside does not matter.</summary>
internal static class StateSubset
{
    /// <summary>The first place where <paramref name="actual"/> differs from what is demanded, or null.</summary>
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
                        return $"{path} does not hold {Text.Short(element.GetRawText())}";
                }
                return null;

            default:
                return JsonElement.DeepEquals(demanded, actual)
                    ? null
                    : $"{path} is {Text.Short(actual.GetRawText())}, not {Text.Short(demanded.GetRawText())}";
        }
    }
}
