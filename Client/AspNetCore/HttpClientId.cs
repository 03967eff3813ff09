using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>Finds the client id that a request charges. Never throws, whatever a client sends.</summary>
internal static class HttpClientId
{
    /// <summary>Shared by callers that sent an invalid id, if the app does not limit requests without an id.</summary>
    public const string Unidentified = "unidentified";

    /// <summary>The id from the first source that has one, else the shared one; null if there is none.</summary>
    /// <returns>The id, and whether it is verified as the caller's.</returns>
    public static (string? Id, bool IsTrusted) Of(HttpContext context, ActorsRateLimitingOptions options)
    {
        var isAnyRejected = false;
        foreach (var source in options.Sources)
        {
            var (id, isRejected) = source.Find(context);
            if (id is { Length: > 0 }) return (Valid(id), source.IsTrusted);
            isAnyRejected |= isRejected;
        }

        // An invalid id must not bypass the limits.
        return (options.SharedClientId ?? (isAnyRejected ? Unidentified : null), IsTrusted: false);
    }

    /// <summary>An address as text, or its network: only the first <paramref name="bitsOfIPv6"/> bits of an IPv6 address count.</summary>
    public static string? OfAddress(IPAddress? address, int bitsOfIPv6)
    {
        if (address is null) return null;
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address.ToString();

        // A caller with one IPv4 address owns its whole 6to4 network (RFC 3056), 2002:ADDRESS::/48.
        var bytes = address.GetAddressBytes();
        if (bytes is [0x20, 0x02, ..] && bitsOfIPv6 > 48) bitsOfIPv6 = 48;
        for (var bit = bitsOfIPv6; bit < 128; bit++) bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));

        // A new address has no scope id, which would only name the interface to the same host.
        var network = new IPAddress(bytes).ToString();
        return bitsOfIPv6 == 128 ? network : $"{network}/{bitsOfIPv6}";
    }

    // Hashes the UTF-16 text in memory, because ill-formed text has no UTF-8.
    private static string Valid(string id) => WellFormedText.ProblemOfId(id, RateLimits.MaxIdBytes) is null
        ? id
        : "sha256:" + Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(id.AsSpan())));
}
