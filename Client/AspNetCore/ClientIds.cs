using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace Actors;

/// <summary>The ids under which clients of a web app are limited.</summary>
public static class ClientIds
{
    // Nobody finds two keys with the same id, and base64 needs no padding.
    private const int HashBytes = 18;

    /// <summary>
    /// The id of an API key: the prefix, and the first 144 bits of the SHA-256 of its UTF-8 in base64url (24 characters). The key
    /// itself becomes part of no key, log or metric. To look its limits up, give this id to the command line or to
    /// <see cref="ActorsClient.RateLimiter"/>.
    /// </summary>
    /// <param name="key">The key; white space around it does not count.</param>
    /// <param name="prefix">The prefix of the source.</param>
    public static string OfApiKey(string key, string prefix = "key:")
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(prefix);
        return Hashed(prefix, key.AsSpan().Trim());
    }

    /// <summary>
    /// The value of a header or query parameter that is there exactly once, without white space around it; else null. For sources
    /// of your own: all values in one text would make a new client for each value that a caller adds.
    /// </summary>
    /// <remarks>A value with a comma may be several, which a proxy has joined, and is none either.</remarks>
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
