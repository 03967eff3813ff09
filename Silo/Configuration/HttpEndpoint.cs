using System.Net;

namespace Actors.Silo.Configuration;

/// <summary>Where the silo serves HTTP: what <c>--urls</c> says, else 127.0.0.1:8080 or the next free port.</summary>
internal static class HttpEndpoint
{
    private const int Preferred = 8080;

    public static string[] Choose(IConfiguration configuration, Ports ports)
    {
        var asked = configuration["urls"];
        if (string.IsNullOrWhiteSpace(asked))
            return [$"http://127.0.0.1:{ports.Take("--urls", asked: null, Preferred, IPAddress.Loopback, "--urls")}"];
        var urls = asked.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        foreach (var url in urls) Check(url, ports);
        return urls;
    }

    private static void Check(string url, Ports ports)
    {
        BindingAddress address;
        try
        {
            address = BindingAddress.Parse(url);
        }
        catch (Exception error) when (error is FormatException or ArgumentException)
        {
            throw NoUrl(url);
        }

        if (address.Scheme is not ("http" or "https") || address.Port is < 0 or > IPEndPoint.MaxPort) throw NoUrl(url);

        if (address.IsUnixPipe || address.Port == 0) return;
        var ip = IPAddress.TryParse(address.Host, out var parsed) ? parsed
            : address.Host is "localhost" ? IPAddress.Loopback
            : IPAddress.Any;
        ports.Take("--urls", address.Port, address.Port, ip, "--urls");
    }

    private static ConfigurationException NoUrl(string url) =>
        new($"--urls is {WellFormedText.Quote(url)}, which is no URL to listen at; allowed is e.g. http://127.0.0.1:8080.");
}
