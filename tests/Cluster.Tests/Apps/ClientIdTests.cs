using System.Globalization;
using Actors.Fixtures;

namespace Actors.Cluster.Tests.Apps;

/// <summary>No request content gives a caller a second budget or no limit.</summary>
public sealed class ClientIdTests(AppCluster apps) : IClassFixture<AppCluster>
{
    private readonly string _key = Guid.NewGuid().ToString("n");

    [Fact]
    public async Task Second_header_value_does_not_create_a_new_budget()
    {
        await using var app = await LimitedApp.StartAsync(
            apps.Client, limits => limits.ClientIdFromHeader("X-Api-Key").ClientIdFromAddress());
        var passed = 0;
        for (var i = 0; i < 50; i++)
        {
            var second = i.ToString(CultureInfo.InvariantCulture);
            string[] keys = (i % 4) switch { 0 => [_key, second], 1 => [second, _key], 2 => [$"{_key},{second}"], _ => [second, "", _key] };
            passed += await app.StatusAsync("/search", keys) == 200 ? 1 : 0;
        }

        // The address limit denied the rest; the key limit is untouched.
        Assert.Equal(10, passed);
        Assert.Equal(200, await app.StatusAsync("/search", _key));
    }

    [Fact]
    public async Task Unchecked_keys_are_limited_by_their_source_address()
    {
        await using var app = await LimitedApp.StartAsync(apps.Client, limits =>
            limits.ClientIdFromHeader("X-Api-Key").ClientIdFromAddress().AddressPolicy = AppCluster.Address);
        var passed = 0;
        for (var i = 0; i < 50; i++) passed += await app.StatusAsync("/search", $"{_key}-{i}") == 200 ? 1 : 0;
        Assert.Equal(20, passed);
    }

    [Fact]
    public async Task Request_denied_by_its_key_does_not_charge_its_address()
    {
        await using var app = await LimitedApp.StartAsync(apps.Client, limits =>
            limits.ClientIdFromHeader("X-Api-Key").ClientIdFromAddress().AddressPolicy = AppCluster.Address);
        var statuses = new List<int>();
        for (var i = 0; i < 40; i++) statuses.Add(await app.StatusAsync("/search", _key));
        Assert.Equal(10, statuses.Count(status => status == 200));

        // The address has ten of its twenty permits left for other callers.
        var address = apps.Client.RateLimiter($"address:{app.Address}");
        await Eventually.IsTrueAsync(async () => (await address.PeekAsync(AppCluster.Address)).Remaining == 9);
    }

    [Fact]
    public async Task Unknown_key_counts_as_no_key_and_no_key_is_stored()
    {
        await using var app = await LimitedApp.StartAsync(apps.Client, limits =>
            limits.ClientIdFromHeader("X-Api-Key", (_, key) => key == _key).SharedClientId = null);
        Assert.Equal(200, await app.StatusAsync("/search", _key));
        Assert.Equal(8, (await apps.Client.RateLimiter(ClientIds.OfApiKey(_key)).PeekAsync(AppCluster.Search)).Remaining);

        var passed = 0;
        for (var i = 0; i < 15; i++) passed += await app.StatusAsync("/search", $"random-{i}") == 200 ? 1 : 0;
        Assert.Equal(10, passed);
        Assert.Equal(10, (await apps.Client.RateLimiter(ClientIds.OfApiKey("random-0")).PeekAsync(AppCluster.Search)).Remaining + 1);
    }
}
