using System.Net;
using Microsoft.AspNetCore.Http;

namespace Actors.Client.Tests.AspNetCore;

/// <summary>Whom requests are charged to.</summary>
public sealed class HttpClientIdTests
{
    [Theory]
    [InlineData("203.0.113.7", 64, "203.0.113.7")]
    [InlineData("::ffff:203.0.113.7", 64, "203.0.113.7")]
    [InlineData("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64")]
    [InlineData("2001:db8:1:2:3:4:5:6", 57, "2001:db8:1::/57")]
    [InlineData("2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6")]
    [InlineData("2001:db8:1:2:3:4:5:6", 1, "::/1")]
    [InlineData("fe80::1%3", 64, "fe80::/64")]
    public void Of_an_IPv6_address_so_many_bits_count(string address, int bits, string id) =>
        Assert.Equal(id, HttpClientId.OfAddress(IPAddress.Parse(address), bits));

    [Fact]
    public void An_id_that_cannot_be_one_is_replaced_by_its_hash()
    {
        string?[] ids = [.. ((string[])[new('x', 600), new('x', 601), "a\0b", "\ud800", "\udc00"]).Select(id => IdOf(id))];
        Assert.Equal(ids.Length, ids.Distinct().Count());
        Assert.All(ids, id =>
        {
            Assert.StartsWith("sha256:", id, StringComparison.Ordinal);
            RateLimits.ValidateId(id);
        });
        Assert.Equal(IdOf(new('x', 600)), ids[0]);
        Assert.Equal("{a}*?[", IdOf("{a}*?["));
    }

    [Fact]
    public void Without_an_id_requests_share_one_or_are_not_limited()
    {
        Assert.Equal("anonymous", IdOf(null));
        Assert.Equal("anonymous", IdOf(""));
        Assert.Null(IdOf(null, sharedId: null));
    }

    private static string? IdOf(string? id, string? sharedId = "anonymous") =>
        HttpClientId.Of(new DefaultHttpContext(), new ActorsRateLimitingOptions { SharedClientId = sharedId }.ClientIdFrom(_ => id));
}
