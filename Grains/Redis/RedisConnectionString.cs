using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// Parses Redis connection strings more strictly than the driver. The driver takes every part without "=" as a host. So half of
/// a password with a comma would be looked up in DNS and appear in messages.
/// </summary>
internal static partial class RedisConnectionString
{
    /// <summary>The allowed format, for messages.</summary>
    public const string Allowed = "use host:port,option=value,..., e.g. localhost:6379 or redis.example.org:6380,ssl=true,password=...";

    private const int DefaultPort = 6379;
    private const int DefaultTlsPort = 6380;

    // Messages quote only these names. Any other text before a "=" may be part of a password.
    private static readonly HashSet<string> Options = new(StringComparer.OrdinalIgnoreCase)
    {
        "abortConnect", "allowAdmin", "asyncTimeout", "channelPrefix", "checkCertificateRevocation", "configChannel", "configCheckSeconds",
        "connectRetry", "connectTimeout", "defaultDatabase", "heartbeatConsistencyChecks", "heartbeatInterval", "highIntegrity", "keepAlive",
        "name", "password", "protocol", "proxy", "resolveDns", "responseTimeout", "serviceName", "setlib", "ssl", "sslHost", "sslProtocols",
        "syncTimeout", "tieBreaker", "tunnel", "user", "version",
    };

    /// <summary>Parses a connection string.</summary>
    /// <param name="text">The connection string.</param>
    /// <param name="options">The parsed options.</param>
    /// <param name="fault">The problem, phrased to follow the name of the setting. Contains no secret.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out ConfigurationOptions? options, [NotNullWhen(false)] out string? fault)
    {
        options = null;
        fault = FindFault(text);
        if (fault is not null) return false;
        try
        {
            options = ConfigurationOptions.Parse(text);
            return true;
        }
        catch (Exception error) when (error is ArgumentException or FormatException or OverflowException)
        {
            // The inner message is left out because it may quote part of a password.
            fault = $"is not a Redis connection string; {Allowed}";
            return false;
        }
    }

    /// <summary>The addresses, without secrets.</summary>
    public static string AddressesOf(ConfigurationOptions options) =>
        string.Join(", ", options.EndPoints.Select(endpoint => Show(endpoint, options.Ssl ? DefaultTlsPort : DefaultPort)));

    private static string Show(EndPoint endpoint, int defaultPort) => endpoint switch
    {
        DnsEndPoint name => $"{name.Host}:{(name.Port == 0 ? defaultPort : name.Port)}",
        IPEndPoint { Port: 0 } ip => new IPEndPoint(ip.Address, defaultPort).ToString(),
        _ => endpoint.ToString() ?? "",
    };

    private static string? FindFault(string text)
    {
        var parts = text.Split(',', StringSplitOptions.TrimEntries);
        var (hosts, lastOption) = (0, (string?)null);
        for (var i = 0; i < parts.Length; i++)
        {
            var (part, where) = (parts[i], $"is not a Redis connection string: its part {i + 1} of {parts.Length} (parts are separated by commas)");
            if (part.Length == 0) continue;
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals >= 0 && hosts == 0 && IsUrl(part)) return $"is a URL, not a Redis connection string; {Allowed}";
            if (equals >= 0)
            {
                var name = part[..equals].Trim();
                if (!name.StartsWith('$') && !Options.Contains(name)) return $"{where} is an unknown option{AfterSecret(lastOption)}; {Allowed}";
                if (!IsReadable(part))
                    return $"{where} gives the option {(name.StartsWith('$') ? "$" : name)} a value that it does not take; {Allowed}";
                lastOption = name;
                continue;
            }

            if (IsUrl(part)) return $"is a URL, not a Redis connection string; {Allowed}";

            // Servers must come first. Otherwise the rest of a password could be taken for a server.
            if (lastOption is not null) return $"{where} has no '='; options follow the servers{AfterSecret(lastOption)}; {Allowed}";
            if (!IsServer(part)) return $"{where} is neither host:port nor option=value; {Allowed}";
            hosts++;
        }

        return hosts > 0 ? null : $"names no server; {Allowed}";
    }

    private static string AfterSecret(string? option) =>
        string.Equals(option, "password", StringComparison.OrdinalIgnoreCase)
            ? ". A password with a comma is not supported here: choose another password"
            : "";

    private static bool IsUrl(string part) => part.Contains("://", StringComparison.Ordinal);

    private static bool IsReadable(string part)
    {
        try
        {
            ConfigurationOptions.Parse($"localhost,{part}");
            return true;
        }
        catch (Exception error) when (error is ArgumentException or FormatException or OverflowException)
        {
            return false;
        }
    }

    private static bool IsServer(string part)
    {
        // A Unix socket, in the notation of the driver.
        if (part.StartsWith('!')) return part.Length > 1;
        if (IPAddress.TryParse(part, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6) return true;
        return Server().Match(part) is { Success: true } match
            && (!match.Groups["port"].Success || (ushort.TryParse(match.Groups["port"].ValueSpan, out var port) && port > 0));
    }

    // A number alone would be a port without a host.
    [GeneratedRegex(
        @"^(\[[0-9A-Fa-f:.%]+\]|(?!\d+$|\d+:)[\p{L}\p{N}_]([\p{L}\p{N}._-]*[\p{L}\p{N}_.])?)(:(?<port>\d{1,5}))?$",
        RegexOptions.CultureInvariant)]
    private static partial Regex Server();
}
