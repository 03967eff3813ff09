using System.Net;
using System.Net.Sockets;

namespace Actors.Silo.Configuration;

/// <summary>Where this silo is reached by other silos and by clients.</summary>
internal sealed record SiloEndpoints(IPAddress Address, int SiloPort, int GatewayPort)
{
    private const string AddressKey = $"{SiloSettings.Section}:{nameof(SiloSettings.Address)}";

    public static SiloEndpoints Choose(SiloSettings options)
    {
        var address = AddressOf(options.Address);
        return new SiloEndpoints(
            address,
            Ports.Choose($"{SiloSettings.Section}:{nameof(options.SiloPort)}", options.SiloPort, 11_111, address),
            Ports.Choose($"{SiloSettings.Section}:{nameof(options.GatewayPort)}", options.GatewayPort, 30_000, address));
    }

    private static IPAddress AddressOf(string text)
    {
        if (string.Equals(text, "auto", StringComparison.OrdinalIgnoreCase))
        {
            return Dns.GetHostAddresses(Dns.GetHostName(), AddressFamily.InterNetwork).FirstOrDefault(ip => !IPAddress.IsLoopback(ip))
                ?? throw new ConfigurationException($"{AddressKey} is auto, and this host has no address but loopback; name one.");
        }

        return IPAddress.TryParse(text, out var address)
            ? address
            : throw new ConfigurationException($"{AddressKey} is '{text}'; allowed are an IP address and auto.");
    }
}
