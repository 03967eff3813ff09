using System.Net;

namespace Actors.Client.Tests.Gateways;

public sealed class GatewayAddressTests
{
    [Theory]
    [InlineData("10.0.0.7:30000", "10.0.0.7", 30000)]
    [InlineData("silo-1.example.org:1", "silo-1.example.org", 1)]
    [InlineData("[::1]:65535", "::1", 65535)]
    [InlineData("[fe80::1%eth0]:30000", "fe80::1%eth0", 30000)]
    public void Names_and_addresses_survive_a_round_trip(string text, string host, int port)
    {
        Assert.True(GatewayAddress.TryParse(text, out var address));
        Assert.Equal((host, port), (address.Host, address.Port));
        Assert.Equal(text, address.ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("silo-1")]
    [InlineData("30000")]
    [InlineData(":30000")]
    [InlineData("silo-1:")]
    [InlineData("silo-1:0")]
    [InlineData("silo-1:-1")]
    [InlineData("silo-1:+1")]
    [InlineData("silo-1:65536")]
    [InlineData("silo-1:99999999999")]
    [InlineData("silo-1: 1")]
    [InlineData("silo 1:1")]
    [InlineData("::1:30000")]
    [InlineData("[::1]")]
    [InlineData("[10.0.0.7]:30000")]
    [InlineData("http://silo-1:30000")]
    [InlineData("user@silo-1:30000")]
    [InlineData("a:1,b:2")]
    [InlineData("silo-1\n:30000")]
    public void Other_text_is_not_a_gateway(string? text) => Assert.False(GatewayAddress.TryParse(text, out _));

    [Fact]
    public async Task Unresolvable_name_has_no_endpoint()
    {
        Assert.Empty(await new GatewayAddress("silo-1.invalid", 30000).ResolveAsync(TestContext.Current.CancellationToken));
        Assert.Equal([new(IPAddress.IPv6Loopback, 7)], await new GatewayAddress("::1", 7).ResolveAsync(TestContext.Current.CancellationToken));
        Assert.Contains(new(IPAddress.Loopback, 7), await new GatewayAddress("localhost", 7).ResolveAsync(TestContext.Current.CancellationToken));
    }
}
