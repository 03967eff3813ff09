using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace Actors;

/// <summary>Creates the client ids of a web app's clients.</summary>
public static class ClientIds
{
    // 144 bits: collisions are infeasible, and base64 needs no padding.
    private const int HashBytes = 18;

    /// <summary>
    /// The id of an API key: the prefix, and the first 144 bits of the SHA-256 of its UTF-8 in base64url (24 characters). The key
    /// itself appears in no Redis key, log or metric. To look up its limits, use this id on the command line or with
    /// <see cref="ActorsClient.RateLimiter"/>.
    /// </summary>
    /// <param name="key">The key; surrounding white space is ignored.</param>
    /// <param name="prefix">The prefix of the source.</param>
    public static string OfApiKey(string key, string prefix = "key:")
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(prefix);
        return Hashed(prefix, key.AsSpan().Trim());
    }

    /// <summary>
    /// The value of a header or query parameter that occurs exactly once, without surrounding white space; else null. For custom
    /// sources: with all values in one text, a caller could create a new client by adding values.
    /// </summary>
    /// <remarks>A value with a comma may be several values joined by a proxy, and returns null as well.</remarks>
    public static string? Only(StringValues values) =>
        values.Count == 1 && values[0]?.Trim() is { Length: > 0 } value && !value.Contains(',', StringComparison.Ordinal) ? value : null;

    private static string Hashed(string prefix, ReadOnlySpan<char> key)
    {
        const int OnStack = 512;
        var most = Encoding.UTF8.GetMaxByteCount(key.Length);
        Span<byte> bytes = most <= OnStack ? stackalloc byte[OnStack] : new byte[most];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes[..Encoding.UTF8.GetBytes(key, bytes)], hash);
        return string.Concat(prefix, Base64Url.EncodeToString(hash[..HashBytes]));
    }
}
