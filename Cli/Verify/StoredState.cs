using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Actors.Cli.Verify;

/// <summary>What cluster or database holds of a user, boiled down to what is compared, since a ledger may name millions.</summary>
/// <param name="Version">The version.</param>
/// <param name="IsDeleted">True for a tombstone.</param>
/// <param name="Difference">Where the state differs from what the ledger demands, or null where it holds it.</param>
/// <param name="Digest">Equal where two states are.</param>
internal sealed record StoredState(long Version, bool IsDeleted, string? Difference, string Digest)
{
    /// <summary>From the database: <paramref name="state"/> is <c>{"displayName","email","attributes","counters","tags",…}</c>.</summary>
    /// <exception cref="FormatException">The state is not such an object.</exception>
    public static StoredState Of(long version, ReadOnlyMemory<byte> state, ReadOnlyMemory<byte> demanded)
    {
        try
        {
            using var stored = JsonDocument.Parse(state);
            using var expected = JsonDocument.Parse(demanded);
            var root = stored.RootElement;
            var isDeleted = root.TryGetProperty("deleted", out var deleted) && deleted.ValueKind == JsonValueKind.True;
            return new(version, isDeleted, StateSubset.Difference(expected.RootElement, root), DigestOf(root));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException($"the state is not the JSON of a user: {e.Message}", e);
        }
    }

    /// <summary>From the cluster: brought into the form of the database, so that both are judged alike.</summary>
    public static StoredState Of(User user, ReadOnlyMemory<byte> demanded) => Of(
        user.Version,
        JsonSerializer.SerializeToUtf8Bytes(new
        {
            displayName = user.DisplayName,
            email = user.Email,
            attributes = user.Attributes,
            counters = user.Counters,
            tags = user.Tags,
            createdAt = user.CreatedAt.ToUnixTimeMilliseconds(),
            updatedAt = user.UpdatedAt.ToUnixTimeMilliseconds(),
        }),
        demanded);

    /// <summary>Over what makes up a user, whatever the order, and whether an empty value is written or left out.</summary>
    private static string DigestOf(JsonElement state)
    {
        var text = new StringBuilder();
        foreach (var name in (string[])["displayName", "email", "createdAt", "updatedAt"])
        {
            if (state.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null)
                text.Append(name).Append('=').Append(Canonical(value)).Append('\n');
        }
        foreach (var name in (string[])["attributes", "counters"])
        {
            if (state.TryGetProperty(name, out var map) && map.ValueKind == JsonValueKind.Object)
            {
                foreach (var entry in map.EnumerateObject().OrderBy(e => e.Name, StringComparer.Ordinal))
                {
                    var key = JsonSerializer.Serialize(entry.Name);
                    text.Append(name).Append('.').Append(key).Append('=').Append(Canonical(entry.Value)).Append('\n');
                }
            }
        }
        if (state.TryGetProperty("tags", out var tags) && tags.ValueKind == JsonValueKind.Array)
        {
            foreach (var tag in tags.EnumerateArray().Select(Canonical).Order(StringComparer.Ordinal))
                text.Append("tag=").Append(tag).Append('\n');
        }
        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())).AsSpan(0, 12));
    }

    private static string Canonical(JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? JsonSerializer.Serialize(value.GetString()) : value.GetRawText();
}
