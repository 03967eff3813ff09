using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Actors.Silo.Configuration;

/// <summary>The HTTP endpoints of the silo: the value of <c>--urls</c>, otherwise 127.0.0.1:8080 or the next free port.</summary>
internal static class HttpEndpoint
{
    private const int Preferred = 8080;
    private const string DeveloperCertificate = "1.3.6.1.4.1.311.84.1.1";

    public static string[] Choose(IConfiguration configuration, Ports ports)
    {
        var asked = configuration["urls"];
        if (string.IsNullOrWhiteSpace(asked))
            return [$"http://127.0.0.1:{ports.Take("--urls", asked: null, Preferred, IPAddress.Loopback, "--urls")}"];
        var urls = asked.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        foreach (var url in urls) Check(url, configuration, ports);
        return urls;
    }

    private static void Check(string url, IConfiguration configuration, Ports ports)
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

        if (address.Scheme == "https" && !HasCertificate(configuration))
        {
            throw new ConfigurationException(
                $"--urls is {WellFormedText.Quote(url)}, but there is no certificate for it; "
                + "set Kestrel:Certificates:Default:Path (and :Password), or use http.");
        }

        if (address.IsUnixPipe || address.Port == 0) return;
        var ip = IPAddress.TryParse(address.Host, out var parsed) ? parsed
            : address.Host is "localhost" ? IPAddress.Loopback
            : IPAddress.Any;
        ports.Take("--urls", address.Port, address.Port, ip, "--urls");
    }

    // Kestrel would fail only after the silo has joined. It also accepts the developer certificate of the SDK.
    private static bool HasCertificate(IConfiguration configuration)
    {
        if (configuration.GetSection("Kestrel:Certificates:Default").Exists() || configuration.GetSection("Kestrel:Endpoints").Exists()) return true;
        using var store = new X509Store(StoreName.My, StoreLocation.CurrentUser);
        try
        {
            store.Open(OpenFlags.ReadOnly);
            return store.Certificates.Any(certificate => certificate.HasPrivateKey
                && certificate.Extensions.Any(extension => extension.Oid?.Value == DeveloperCertificate));
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static ConfigurationException NoUrl(string url) =>
        new($"--urls is {WellFormedText.Quote(url)}, which is not a URL to listen on; write for example http://127.0.0.1:8080.");
}
