using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Actors.Cli.Verify;

/// <summary>
/// The state of a user in cluster or database, reduced to what is compared, because a ledger may have millions of users.
/// </summary>
/// <param name="Version">The version.</param>
/// <param name="IsDeleted">True for a tombstone.</param>
/// <param name="Difference">Where the state differs from the ledger's requirement, or null if it does not.</param>
/// <param name="Digest">Equal if two states are equal.</param>
internal sealed record StoredState(long Version, bool IsDeleted, string? Difference, string Digest)
{
    /// <summary>
    /// Reads a state of the database: <paramref name="state"/> is
    /// <c>{"displayName","email","attributes","counters","tags",…}</c>.
    /// </summary>
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
            throw new FormatException($"the state is not valid JSON of a user: {e.Message}", e);
        }
    }

    /// <summary>
    /// Converts a user of the cluster to the form of the database, so that both are compared in the same way.
    /// </summary>
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

    /// <summary>
    /// A digest of the content of a user, independent of order and of whether empty values are written or omitted.
    /// </summary>
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
