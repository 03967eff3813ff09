using Actors.Contracts;
using Actors.Core;
using Actors.WriteBehind;
using Microsoft.Extensions.DependencyInjection;

namespace Actors.Cluster.Tests;

public sealed class WriteBehindTableTests(ServersFixture servers) : IAsyncLifetime
{
    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync() => _cluster = await TestCluster.StartAsync(servers, silos: 1);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Version_is_committed_if_its_owner_already_committed_a_later_one()
    {
        var table = _cluster.Silos.Silos[0].ServiceProvider.GetRequiredService<WriteBehindTable>();
        var owner = (await table.OpenAsync("overtaken", atLeast: 0, CancellationToken.None)).Owner;

        Assert.Equal(Durability.Database, (await table.WriteAsync(Row(version: 2), Durability.Database)).Durability);
        Assert.Equal(Durability.Database, (await table.WriteAsync(Row(version: 1), Durability.Database)).Durability);

        Assert.Equal(2, await _cluster.QueryAsync<long>("SELECT version FROM users WHERE id = 'overtaken'"));
        Assert.Equal(0, table.Counters.FenceHits);

        Row Row(long version) => new(owner.Key, version, owner.Epoch, "{}"u8.ToArray());
    }
}
