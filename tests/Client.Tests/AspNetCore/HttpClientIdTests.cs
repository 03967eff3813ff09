using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Actors.Client.Tests.AspNetCore;

/// <summary>The client id that a request is charged to.</summary>
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
    [InlineData("fe80::1%3", 128, "fe80::1")]
    [InlineData("2002:cb00:7107:1:2:3:4:5", 64, "2002:cb00:7107::/48")]
    [InlineData("2002:cb00:7107:1:2:3:4:5", 40, "2002:cb00:7100::/40")]
    public void IPv6_address_is_truncated_to_the_configured_prefix(string address, int bits, string id) =>
        Assert.Equal(id, HttpClientId.OfAddress(IPAddress.Parse(address), bits));

    [Fact]
    public void Invalid_id_is_replaced_by_its_hash()
    {
        string?[] ids = [.. ((string[])[new('x', 600), new('x', 601), " ", "\u2003", "a\0b", "\ud800", "\udc00"]).Select(id => IdOf(id))];
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
    public void Requests_without_an_id_share_one_or_are_not_limited()
    {
        Assert.Equal("anonymous", IdOf(null));
        Assert.Equal("anonymous", IdOf(""));
        Assert.Null(IdOf(null, sharedId: null));
    }

    [Fact]
    public void Key_is_used_only_as_a_hash()
    {
        // printf %s ada | openssl dgst -sha256 -binary | basenc --base64url | cut -c1-24
        Assert.Equal("key:_e5DDUC9V97qwYbNl5ADPQ8G", ClientIds.OfApiKey("ada"));
        Assert.Equal(ClientIds.OfApiKey("ada"), HeaderIdOf("ada"));
        Assert.Equal(ClientIds.OfApiKey("ada"), HeaderIdOf(" ada\t"));
        Assert.NotEqual(ClientIds.OfApiKey("ada"), HeaderIdOf("Ada"));
        Assert.All((string[])["a\0b", "{a}*?[", new('é', 10_000), "\u001b[2J"], key => Assert.Matches("^key:[A-Za-z0-9_-]{24}$", HeaderIdOf(key)!));
    }

    [Theory]
    [InlineData("ada", "1")]
    [InlineData("1", "ada")]
    [InlineData("ada", "ada")]
    [InlineData("ada", "")]
    [InlineData("ada,1")]
    [InlineData("ada, 1")]
    public void Header_with_several_values_is_not_an_id_and_does_not_bypass_limits(params string[] values)
    {
        Assert.Equal("anonymous", HeaderIdOf(values));
        var context = WithHeader(values);
        Assert.Equal(HttpClientId.Unidentified, IdBy(options => options.ClientIdFromHeader("X-Api-Key").SharedClientId = null, context));
        context.Connection.RemoteIpAddress = IPAddress.Parse("203.0.113.7");
        Assert.Equal("address:203.0.113.7", IdBy(options => options.ClientIdFromHeader("X-Api-Key").ClientIdFromAddress(), context));
    }

    [Theory]
    [InlineData]
    [InlineData("")]
    [InlineData(" \t ")]
    public void Empty_header_counts_as_missing(params string[] values)
    {
        Assert.Equal("anonymous", HeaderIdOf(values));
        Assert.Null(IdBy(options => options.ClientIdFromHeader("X-Api-Key").SharedClientId = null, WithHeader(values)));
    }

    [Fact]
    public void Unknown_key_is_not_an_id()
    {
        var limits = new ActorsRateLimitingOptions { SharedClientId = null }.ClientIdFromHeader("X-Api-Key", (_, key) => key == "ada");
        Assert.Equal((ClientIds.OfApiKey("ada"), true), HttpClientId.Of(WithHeader("ada"), limits));
        Assert.Equal((HttpClientId.Unidentified, false), HttpClientId.Of(WithHeader("random"), limits));
    }

    [Fact]
    public void Claims_of_unauthenticated_identities_are_not_ids()
    {
        var context = new DefaultHttpContext
        {
            User = new([new([new("sub", "")], "test"), new([new("sub", "forged")]), new([new("sub", "ada"), new("sub", "bob")], "test")]),
        };
        Assert.Equal("user:ada", IdBy(options => options.ClientIdFromClaim("sub"), context));
        context.User = new([new([new("role", "any")], "test"), new([new("sub", "forged")])]);
        Assert.Equal("anonymous", IdBy(options => options.ClientIdFromClaim("sub"), context));
    }

    [Fact]
    public void Sources_with_overlapping_prefixes_are_rejected()
    {
        var options = new ActorsRateLimitingOptions().ClientIdFromHeader("X-Api-Key").ClientIdFromClaim("sub");
        var error = Assert.Throws<ArgumentException>(() => options.ClientIdFromHeader("X-Device"));
        Assert.Contains("'key:'", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => options.ClientIdFromClaim("oid", "user:oid:"));
        Assert.Throws<ArgumentException>(() => options.ClientIdFromAddress(prefix: ""));
        options.ClientIdFromHeader("X-Device", "device:");
    }

    [Fact]
    public void Missing_address_is_not_an_id()
    {
        Assert.Equal("anonymous", IdBy(options => options.ClientIdFromAddress(), new DefaultHttpContext()));
        Assert.Equal("a", ClientIds.Only(" a "));
        Assert.All((StringValues[])[default, "", new(["a", "b"]), "a,b"], values => Assert.Null(ClientIds.Only(values)));
    }

    private static string? IdOf(string? id, string? sharedId = "anonymous") =>
        IdBy(options => options.ClientIdFrom(_ => id).SharedClientId = sharedId, new DefaultHttpContext());

    private static string? HeaderIdOf(params string[] values) => IdBy(options => options.ClientIdFromHeader("X-Api-Key"), WithHeader(values));

    private static string? IdBy(Action<ActorsRateLimitingOptions> configure, HttpContext context)
    {
        var options = new ActorsRateLimitingOptions();
        configure(options);
        return HttpClientId.Of(context, options).Id;
    }

    private static DefaultHttpContext WithHeader(params string[] values)
    {
        var context = new DefaultHttpContext();
        if (values.Length > 0) context.Request.Headers["X-Api-Key"] = values;
        return context;
    }
}
