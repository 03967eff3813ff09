using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>Finds whom a request charges. What clients send cannot make it fail.</summary>
internal static class HttpClientId
{
    /// <summary>Shared by callers that sent an id that is none, if the app does not limit those without one.</summary>
    public const string Unidentified = "unidentified";

    /// <summary>The id of the first source that has one, else the shared one; null if there is none.</summary>
    /// <returns>The id, and whether it is the caller's for certain.</returns>
    public static (string? Id, bool IsTrusted) Of(HttpContext context, ActorsRateLimitingOptions options)
    {
        var isAnyRejected = false;
        foreach (var source in options.Sources)
        {
            var (id, isRejected) = source.Find(context);
            if (id is { Length: > 0 }) return (Valid(id), source.IsTrusted);
            isAnyRejected |= isRejected;
        }

        // Sending nonsense must not be a way past the limits.
        return (options.SharedClientId ?? (isAnyRejected ? Unidentified : null), IsTrusted: false);
    }

    /// <summary>An address as text, or the network it is in: of IPv6, only so many bits count.</summary>
    public static string? OfAddress(IPAddress? address, int bitsOfIPv6)
    {
        if (address is null) return null;
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address.ToString();

        // Whoever has one IPv4 address has all of its 6to4 network (RFC 3056), 2002:ADDRESS::/48.
        var bytes = address.GetAddressBytes();
        if (bytes is [0x20, 0x02, ..] && bitsOfIPv6 > 48) bitsOfIPv6 = 48;
        for (var bit = bitsOfIPv6; bit < 128; bit++) bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));

        // Made anew, and so without the scope, which is the same host by another interface.
        var network = new IPAddress(bytes).ToString();
        return bitsOfIPv6 == 128 ? network : $"{network}/{bitsOfIPv6}";
    }

    // Hashed as it is in memory: text that is not well-formed has no UTF-8.
    private static string Valid(string id) => WellFormedText.ProblemOfId(id, RateLimits.MaxIdBytes) is null
        ? id
        : "sha256:" + Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(id.AsSpan())));
}
