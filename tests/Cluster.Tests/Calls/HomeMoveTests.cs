using Actors.Core;
using Actors.Fixtures;
using Actors.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Orleans.Runtime.Placement;

namespace Actors.Cluster.Tests.Calls;

/// <summary>Grains that are not on their home silo move there, unless a call waits in them.</summary>
public sealed class HomeMoveTests(ServersFixture servers) : IClassFixture<ServersFixture>
{
    [Fact]
    public async Task User_moves_once_no_call_waits_for_the_database()
    {
        await using var cluster = await TestCluster.StartAsync(servers);
        var user = cluster.User(KeyAwayFrom(cluster, "user", silo: 1));
        await OnSiloAsync(cluster, 1, () => user.UpdateAsync(new() { DisplayName = "first" }));
        await user.FlushAsync();

        await using var database = NpgsqlDataSource.Create(cluster.Database);
        await using var connection = await database.OpenConnectionAsync();
        await using var locking = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("LOCK TABLE users IN ACCESS EXCLUSIVE MODE", connection, locking))
            await command.ExecuteNonQueryAsync();
        var waiting = user.UpdateAsync(new() { DisplayName = "second" }, new() { Durability = Durability.Database });
        await Eventually.IsTrueAsync(async () => (await cluster.Cluster.GetStatusAsync()).Silos.Sum(silo => silo.WriteBehind.UnflushedRows) > 0);
        var target = Target(cluster, 1, user)!;
        target.AskToMove();

        // Its turn comes after that of the request.
        await user.GetAsync();
        Assert.Same(target, Target(cluster, 1, user));
        Assert.False(waiting.IsCompleted);
        await locking.RollbackAsync();
        Assert.Equal(Durability.Database, (await waiting).Durability);

        await MovesAsync(cluster, user, () => user.GetAsync());
        Assert.Equal("second", (await user.GetAsync())!.DisplayName);
    }

    [Fact]
    public async Task User_that_is_only_read_moves()
    {
        await using var cluster = await TestCluster.StartAsync(servers);
        var user = cluster.User(KeyAwayFrom(cluster, "user", silo: 1));
        await OnSiloAsync(cluster, 1, () => user.UpdateAsync(new() { DisplayName = "first" }));
        await user.FlushAsync();

        // The next read activates the user where the silos remember it, and only loads it.
        await TestCluster.DeactivateAsync(user);
        await Eventually.IsTrueAsync(() => Task.FromResult(Target(cluster, 1, user) is null));
        await OnSiloAsync(cluster, 1, () => user.GetAsync());
        Assert.NotNull(Target(cluster, 1, user));

        await MovesAsync(cluster, user, () => user.GetAsync());
        Assert.Equal("first", (await user.GetAsync())!.DisplayName);
    }

    [Fact]
    public async Task Limiter_moves_once_no_call_waits_for_a_permit_and_forgets_no_grant()
    {
        await using var cluster = await TestCluster.StartAsync(servers);
        var limiter = cluster.Limiter(KeyAwayFrom(cluster, "rate-limiter", silo: 1));
        await OnSiloAsync(cluster, 1, () => limiter.SetPolicyAsync(new() { Name = "p", Windows = [new(2, RateLimits.MaxWait - TimeSpan.FromSeconds(1))] }));
        Assert.True((await limiter.AcquireAsync(new() { Policy = "p" })).IsAllowed);
        Assert.True((await limiter.AcquireAsync(new() { Policy = "p", RequestId = "given back" })).IsAllowed);
        var waiting = limiter.AcquireAsync(new() { Policy = "p", MaxWait = RateLimits.MaxWait });
        await Eventually.IsTrueAsync(async () => (await cluster.Cluster.GetStatusAsync()).Silos.Sum(silo => silo.RateLimits.Waiting) > 0);
        var target = Target(cluster, 1, limiter)!;
        target.AskToMove();
        await limiter.PeekAsync("p", 1);
        Assert.Same(target, Target(cluster, 1, limiter));
        Assert.False(waiting.IsCompleted);
        await limiter.RefundAsync("given back");
        Assert.True((await waiting).IsAllowed);

        await MovesAsync(cluster, limiter, () => limiter.PeekAsync("p", 1));
        Assert.False((await limiter.AcquireAsync(new() { Policy = "p" })).IsAllowed);
    }

    private static async Task MovesAsync(TestCluster cluster, IAddressable grain, Func<Task> call) => await Eventually.IsTrueAsync(async () =>
    {
        Target(cluster, 1, grain)?.AskToMove();
        await call();
        return Target(cluster, 0, grain) is not null;
    });

    private static CallTarget? Target(TestCluster cluster, int silo, IAddressable grain) =>
        Services(cluster, silo).GetRequiredService<CallTargets>().Find(grain.GetGrainId());

    private static string KeyAwayFrom(TestCluster cluster, string type, int silo)
    {
        var homes = Services(cluster, silo).GetRequiredService<HomeView>();
        return Enumerable.Range(0, 1_000).Select(number => $"{type}-{number}").First(key => homes.IsElsewhere(GrainId.Create(type, key)));
    }

    private static async Task OnSiloAsync(TestCluster cluster, int silo, Func<Task> call)
    {
        RequestContext.Set(IPlacementDirector.PlacementHintKey, cluster.Silos.Silos[silo].SiloAddress);
        await call();
        RequestContext.Clear();
    }

    private static IServiceProvider Services(TestCluster cluster, int silo) =>
        cluster.Silos.GetSiloServiceProvider(cluster.Silos.Silos[silo].SiloAddress);
}
