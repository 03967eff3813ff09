using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Actors;

/// <summary>Finds whom a request charges. What clients send cannot make it fail.</summary>
internal static class HttpClientId
{
    /// <summary>The id of the first source that has one, else the shared one; null where there is none.</summary>
    public static string? Of(HttpContext context, ActorsRateLimitingOptions options)
    {
        foreach (var source in options.ClientIds)
        {
            if (source(context) is { Length: > 0 } id) return Valid(id);
        }

        return options.SharedClientId;
    }

    /// <summary>An address as text, or the network it is in: of IPv6, only so many bits count.</summary>
    public static string? OfAddress(IPAddress? address, int bitsOfIPv6)
    {
        if (address is null) return null;
        if (address.IsIPv4MappedToIPv6) address = address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6 || bitsOfIPv6 == 128) return address.ToString();

        var bytes = address.GetAddressBytes();
        for (var bit = bitsOfIPv6; bit < 128; bit++) bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        return $"{new IPAddress(bytes)}/{bitsOfIPv6}";
    }

    // Hashed as it is in memory: text that is not well-formed has no UTF-8.
    private static string Valid(string id) => WellFormedText.Problem(id, 1, RateLimits.MaxIdBytes) is null
        ? id
        : "sha256:" + Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(id.AsSpan())));
}
