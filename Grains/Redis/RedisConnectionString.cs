using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using StackExchange.Redis;

namespace Actors.Redis;

/// <summary>
/// Reads connection strings of Redis more strictly than the driver, which takes every part without a "=" for a host: half of
/// a password that holds a comma would be looked up in DNS, and would end up in messages.
/// </summary>
internal static partial class RedisConnectionString
{
    /// <summary>What is allowed, for messages.</summary>
    public const string Allowed = "allowed is host:port,option=value,..., e.g. localhost:6379 or redis.example.org:6380,ssl=true,password=...";

    private const int DefaultPort = 6379;
    private const int DefaultTlsPort = 6380;

    // Only these are quoted. What else stands before a "=" may be a part of a password.
    private static readonly HashSet<string> Options = new(StringComparer.OrdinalIgnoreCase)
    {
        "abortConnect", "allowAdmin", "asyncTimeout", "channelPrefix", "checkCertificateRevocation", "configChannel", "configCheckSeconds",
        "connectRetry", "connectTimeout", "defaultDatabase", "heartbeatConsistencyChecks", "heartbeatInterval", "highIntegrity", "keepAlive",
        "name", "password", "protocol", "proxy", "resolveDns", "responseTimeout", "serviceName", "setlib", "ssl", "sslHost", "sslProtocols",
        "syncTimeout", "tieBreaker", "tunnel", "user", "version",
    };

    /// <summary>Reads one.</summary>
    /// <param name="text">The connection string.</param>
    /// <param name="options">What it says.</param>
    /// <param name="fault">What is wrong with it, to follow its key in a message. Quotes no secret.</param>
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
            // Without the inner message: it may quote a part of a password.
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
                if (!IsReadable(part)) return $"{where} gives the option {(name.StartsWith('$') ? "$" : name)} a value that it does not take; {Allowed}";
                lastOption = name;
                continue;
            }

            if (IsUrl(part)) return $"is a URL, not a Redis connection string; {Allowed}";

            // Servers come first, so that the rest of a password is not taken for one.
            if (lastOption is not null) return $"{where} has no '='; options follow the servers{AfterSecret(lastOption)}; {Allowed}";
            if (!IsServer(part)) return $"{where} is neither host:port nor option=value; {Allowed}";
            hosts++;
        }

        return hosts > 0 ? null : $"names no server; {Allowed}";
    }

    private static string AfterSecret(string? option) =>
        string.Equals(option, "password", StringComparison.OrdinalIgnoreCase) ? ". A password that holds a comma cannot be written here: choose one without" : "";

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
        // A Unix socket, as the driver writes it.
        if (part.StartsWith('!')) return part.Length > 1;
        if (IPAddress.TryParse(part, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6) return true;
        return Server().Match(part) is { Success: true } match
            && (!match.Groups["port"].Success || (ushort.TryParse(match.Groups["port"].ValueSpan, out var port) && port > 0));
    }

    // A number alone is a port without a host.
    [GeneratedRegex(@"^(\[[0-9A-Fa-f:.%]+\]|(?!\d+$|\d+:)[\p{L}\p{N}_]([\p{L}\p{N}._-]*[\p{L}\p{N}_.])?)(:(?<port>\d{1,5}))?$", RegexOptions.CultureInvariant)]
    private static partial Regex Server();
}
