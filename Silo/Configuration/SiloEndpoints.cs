using System.Net;
using System.Net.Sockets;

namespace Actors.Silo.Configuration;

/// <summary>The address and ports at which other silos and clients reach this silo.</summary>
internal sealed record SiloEndpoints(IPAddress Address, int SiloPort, int GatewayPort)
{
    private const string AddressKey = $"{SiloSettings.Section}:{nameof(SiloSettings.Address)}";
    private const string Allowed = "use an IP address of this machine or auto";

    public static SiloEndpoints Choose(SiloSettings settings, Ports ports)
    {
        var address = string.Equals(settings.Address, "auto", StringComparison.OrdinalIgnoreCase) ? OwnAddress() : AddressOf(settings.Address);
        return new SiloEndpoints(
            address,
            ports.Take($"{SiloSettings.Section}:{nameof(settings.SiloPort)}", settings.SiloPort, 11_111, address, AddressKey),
            ports.Take($"{SiloSettings.Section}:{nameof(settings.GatewayPort)}", settings.GatewayPort, 30_000, address, AddressKey));
    }

    private static IPAddress OwnAddress()
    {
        var host = Dns.GetHostName();
        try
        {
            return Dns.GetHostAddresses(host, AddressFamily.InterNetwork).FirstOrDefault(ip => !IPAddress.IsLoopback(ip))
                ?? throw new ConfigurationException($"{AddressKey} is auto, but this host has only loopback IPv4 addresses; set an address.");
        }
        catch (SocketException error)
        {
            throw new ConfigurationException(
                $"{AddressKey} is auto, but the name of this host, {WellFormedText.Quote(host)}, leads to no address ({error.Message}); "
                + "set an address, or add the host name to DNS or /etc/hosts.");
        }
    }

    private static IPAddress AddressOf(string text)
    {
        // The parser also accepts "12345" and "1.2", as addresses no user intends.
        if (!IPAddress.TryParse(text, out var address)
            || (address.AddressFamily == AddressFamily.InterNetwork && text.Split('.').Length != 4))
        {
            throw new ConfigurationException($"{AddressKey} is {WellFormedText.Quote(text)}; {Allowed}.");
        }

        if (!IsOfOneMachine(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address))
            throw new ConfigurationException(
                $"{AddressKey} is {address}, which is not the address of a single machine, so other silos cannot reach this one; {Allowed}.");
        return address;
    }

    private static bool IsOfOneMachine(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork
        ? address.GetAddressBytes() is [> 0 and < 224, ..]
        : !address.Equals(IPAddress.IPv6Any) && !address.IsIPv6Multicast;
}
