using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Actors;

/// <summary>The address of a silo's gateway: a host name or an IP address, and a port.</summary>
internal sealed record GatewayAddress(string Host, int Port)
{
    /// <summary>The accepted format, for messages.</summary>
    public const string Allowed = "host:port, for example 10.0.0.7:30000, silo-1:30000 or [::1]:30000";

    private const int LongestShown = 64;

    /// <summary>Parses an address in the format of <see cref="Allowed"/>.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out GatewayAddress? address)
    {
        address = null;
        var colon = text?.LastIndexOf(':') ?? -1;
        if (text is null || colon <= 0) return false;
        if (!int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65_535)
            return false;

        // Without brackets the last part of an IPv6 address looks like a port.
        var host = text[..colon];
        var isBracketed = host.StartsWith('[') && host.EndsWith(']');
        if (isBracketed) host = host[1..^1];
        var kind = Uri.CheckHostName(host);
        if (kind == UriHostNameType.Unknown || (kind == UriHostNameType.IPv6) != isBracketed) return false;
        address = new(host, port);
        return true;
    }

    /// <summary>Quotes an invalid address for a message: a connection string or URL may contain a password.</summary>
    public static string Quote(string? text) => text switch
    {
        null => "''",
        _ when text.AsSpan().ContainsAny('=', '@') => "a connection string or URL (not shown)",
        { Length: > LongestShown } => WellFormedText.Quote(text[..LongestShown]),
        _ => WellFormedText.Quote(text),
    };

    /// <summary>The endpoints of the address; none if the name does not resolve.</summary>
    public async Task<IEnumerable<IPEndPoint>> ResolveAsync(CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(Host, out var literal)) return [new(literal, Port)];
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(Host, cancellationToken);
            return addresses.Select(address => new IPEndPoint(address, Port));
        }
        catch (Exception error) when (error is System.Net.Sockets.SocketException or ArgumentException
            || (error is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            return [];
        }
    }

    /// <inheritdoc/>
    public override string ToString() =>
        Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
