using System.Net;
using System.Net.Sockets;

namespace Actors.Silo.Configuration;

/// <summary>Where this silo is reached by other silos and by clients.</summary>
internal sealed record SiloEndpoints(IPAddress Address, int SiloPort, int GatewayPort)
{
    private const string AddressKey = $"{SiloSettings.Section}:{nameof(SiloSettings.Address)}";

    public static SiloEndpoints Choose(SiloSettings settings, Ports ports)
    {
        var address = AddressOf(settings.Address);
        return new SiloEndpoints(
            address,
            ports.Take($"{SiloSettings.Section}:{nameof(settings.SiloPort)}", settings.SiloPort, 11_111, address),
            ports.Take($"{SiloSettings.Section}:{nameof(settings.GatewayPort)}", settings.GatewayPort, 30_000, address));
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
