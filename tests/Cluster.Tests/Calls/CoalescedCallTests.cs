using System.Net;
using Actors.Calls;
using Actors.Core;
using Actors.Fixtures;
using Actors.Hosting;
using Actors.Users;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Orleans.Runtime.Placement;

namespace Actors.Cluster.Tests.Calls;

/// <summary>Calls of one process that travel together in messages: each behaves as if it travelled alone.</summary>
public sealed class CoalescedCallTests(ServersFixture servers) : IClassFixture<ServersFixture>
{
    [Fact]
    public async Task Each_call_of_a_message_succeeds_or_fails_by_itself()
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1);
        var app = new App(cluster);
        var users = Enumerable.Range(0, 96).Select(number => app.Client.User($"user-{number}")).ToList();
        await Task.WhenAll(users.Select(user => user.UpdateAsync(new() { DisplayName = "there" })));

        // A user that is not in memory cannot be loaded while its table is locked.
        await using var database = NpgsqlDataSource.Create(cluster.Database);
        await using var connection = await database.OpenConnectionAsync();
        await using var locking = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("LOCK TABLE users IN ACCESS EXCLUSIVE MODE", connection, locking))
            await command.ExecuteNonQueryAsync();

        var before = app.Turns;
        using var cancelled = new CancellationTokenSource();
        var slow = app.Client.User("slow").GetAsync();
        var left = app.Client.User("left").GetAsync(cancelled.Token);
        var poisonous = users[0].UpdateAsync(new() { DisplayName = new('x', 100_000) });
        var unknown = app.Client.RateLimiter("client").AcquireAsync(new() { Policy = "unknown" });
        var reads = users.Select(user => user.GetAsync()).ToList();
        Assert.All(await Task.WhenAll(reads).WaitAsync(TimeSpan.FromSeconds(30)), user => Assert.Equal("there", user!.DisplayName));
        await Assert.ThrowsAsync<InvalidUserException>(() => poisonous);
        await Assert.ThrowsAsync<InvalidRateLimitException>(() => unknown);
        Assert.False(left.IsCompleted);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        Assert.False(slow.IsCompleted);
        await locking.RollbackAsync();
        Assert.Null(await slow.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.InRange(app.Turns - before, 90, 100);
    }

    [Fact]
    public async Task Awaited_writes_are_visible_to_later_calls_of_the_caller()
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1);
        var app = new App(cluster);
        await Task.WhenAll(Enumerable.Range(0, 100).Select(async caller =>
        {
            // Several callers to a user.
            var user = app.Client.User($"awaited-{caller % 10}");
            var last = 0L;
            for (var number = 1; number <= 20; number++)
            {
                var written = (await user.UpdateAsync(new() { Increment = new() { [$"{caller}"] = 1 } })).Version;
                Assert.True(written > last, $"{written} after {last}");
                last = written;
                var read = (await user.GetAsync())!;
                Assert.True(read.Version >= last && read.Counters[$"{caller}"] == number, $"version {read.Version} after {last}");
            }
        }));
        Assert.True(app.Turns > app.Others, $"{app.Turns} turns, {app.Others} others");
    }

    [Fact]
    public async Task Read_of_a_user_in_memory_waits_for_no_turn()
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1);
        var app = new App(cluster);
        var user = app.Client.User("busy");
        await user.UpdateAsync(new() { DisplayName = "there" });
        await Eventually.IsTrueAsync(async () => await user.GetAsync() is not null && app.Turns > 0);

        using var end = new ManualResetEventSlim();
        var target = app.Silos[0].GetRequiredService<CallTargets>().Find(user.GetGrainId())!;
        var turn = Task.Factory.StartNew(() => end.Wait(TimeSpan.FromMinutes(1)), CancellationToken.None, TaskCreationOptions.None, target.Turns);
        try
        {
            Assert.Equal("there", (await user.GetAsync().WaitAsync(TimeSpan.FromSeconds(15)))!.DisplayName);
            Assert.False(turn.IsCompleted);
        }
        finally
        {
            end.Set();
            await turn;
        }
    }

    [Fact]
    public async Task Calls_survive_the_deactivation_of_their_users()
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1);
        var app = new App(cluster);
        var silo = cluster.Silos.GetSiloServiceProvider(cluster.Silos.Silos[0].SiloAddress);
        var active = silo.GetRequiredService<ActiveUsers>();
        var targets = silo.GetRequiredService<CallTargets>();
        var users = Enumerable.Range(0, 10).Select(number => app.Client.User($"leaving-{number}")).ToList();
        var (rounds, leavings) = (0, 0);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (leavings < 100)
        {
            limit.Token.ThrowIfCancellationRequested();
            rounds++;
            var writes = users.Select(user => user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })).ToList();
            if (targets.Find(users[rounds % 10].GetGrainId()) is { } target)
            {
                target.Context.Deactivate(new(DeactivationReasonCode.ApplicationRequested, "a test"));
                leavings++;
            }

            await Task.WhenAll(writes);
        }

        foreach (var user in users) Assert.Equal(rounds, (await user.GetAsync())!.Counters["n"]);
        Assert.True(app.Turns > rounds, $"{app.Turns} turns");
        Assert.True(active.Count > 0);
    }

    [Fact]
    public async Task Calls_are_made_by_themselves_if_the_silo_does_not_know_messages()
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1);
        var app = new App(cluster, "Actors.Unknown");
        await Task.WhenAll(Enumerable.Range(0, 50).Select(number => app.Client.User($"alone-{number}").UpdateAsync(new() { DisplayName = "there" })));
        Assert.Equal("there", (await app.Client.User("alone-7").GetAsync())!.DisplayName);
        Assert.Equal((0, 0), (app.Turns, app.Others));
    }

    [Fact]
    public async Task Few_calls_go_alone_however_they_end()
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1);
        var app = new App(cluster, few: 8);
        var users = Enumerable.Range(0, 8).Select(number => app.Client.User($"few-{number}")).ToList();
        for (var round = 0; round < 50; round++)
        {
            using var cancelled = new CancellationTokenSource();
            var calls = users.Select((user, number) => number switch
            {
                0 => user.GetAsync(new CancellationToken(canceled: true)),
                1 => user.GetAsync(cancelled.Token),
                2 => user.UpdateAsync(new() { DisplayName = new('x', 100_000) }),
                _ => (Task)user.UpdateAsync(new() { DisplayName = "there" }),
            }).ToList();
            await cancelled.CancelAsync();
            await EndedAsync(calls);
        }

        Assert.Equal((0, 0), (app.Turns, app.Others));

        // Many of them travel together, and afterwards none counts as in flight.
        await Eventually.IsTrueAsync(async () =>
        {
            using var cancelled = new CancellationTokenSource();
            var calls = Enumerable.Range(0, 200).Select(number => users[number % 8].GetAsync(cancelled.Token)).ToList();
            await cancelled.CancelAsync();
            await EndedAsync(calls);
            return app.Turns > 0;
        });

        // Cancelled calls that were sent count until they are answered.
        await Eventually.IsTrueAsync(() => Task.FromResult(app.Runtime.InFlight == 0));
        var many = app.Turns + app.Others;
        for (var round = 0; round < 50; round++) await Task.WhenAll(users.Select(user => user.GetAsync()));
        Assert.Equal(many, app.Turns + app.Others);
    }

    [Fact]
    public async Task Many_calls_have_a_result_each()
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 1);
        var app = new App(cluster);
        var ids = Enumerable.Range(0, 3_000).Select(number => $"many-{number}").Append(" ").ToList();
        var written = await app.Client.UpdateManyAsync([.. ids.Select(id => (id, new UserPatch { DisplayName = id }))]);
        Assert.Equal(ids, written.Select(each => each.Id));
        Assert.All(written.SkipLast(1), each => Assert.Equal(1, each.Value.Version));
        Assert.IsType<InvalidUserException>(written[^1].Error);
        Assert.Throws<InvalidUserException>(() => written[^1].Value);

        var read = await app.Client.GetManyAsync(ids);
        Assert.All(read.SkipLast(1), each => Assert.Equal(each.Id, each.Value!.DisplayName));
        var decided = await app.Client.AcquireManyAsync([("a", new()), ("b", new() { Policy = "unknown" }), ("a", new())]);
        Assert.True(decided[0].Value.IsAllowed && decided[2].Value.IsAllowed);
        Assert.IsType<InvalidRateLimitException>(decided[1].Error);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => app.Client.GetManyAsync(ids, new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task Calls_find_the_home_of_their_user_and_follow_it_to_a_silo_that_joins()
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 3);
        var app = new App(cluster);
        var users = Enumerable.Range(0, 80).Select(number => app.Client.User($"home-{number}")).ToList();
        await Task.WhenAll(users.Select(user => user.UpdateAsync(new() { DisplayName = "there" })));
        await Eventually.IsTrueAsync(AllAreTurnsAsync);
        Assert.All(app.Silos, silo => Assert.True(silo.GetRequiredService<CallCounters>().Turns > 0));

        // A client assigns each grain to a gateway when it first calls it, and keeps that: there are few grains left for a new gateway.
        await Task.WhenAll(Enumerable.Range(0, 20_000).Select(number => cluster.User($"other-{number}").GetAsync()));
        await cluster.Silos.StartAdditionalSiloAsync();
        app.UseAllGateways();
        Assert.All(await Task.WhenAll(users.Select(user => user.GetAsync())), user => Assert.Equal("there", user!.DisplayName));
        await Eventually.IsTrueAsync(async () => await AllAreTurnsAsync() && app.Silos[3].GetRequiredService<CallTargets>().All.Any());

        async Task<bool> AllAreTurnsAsync()
        {
            var (turns, others) = (app.Turns, app.Others);
            await Task.WhenAll(users.Select(user => user.GetAsync()));
            return app.Turns == turns + users.Count && app.Others == others;
        }
    }

    [Fact]
    public async Task Silo_forwards_or_returns_calls_to_grains_that_are_elsewhere()
    {
        await using var cluster = await TestCluster.StartAsync(servers, silos: 2);
        var app = new App(cluster);
        var users = Enumerable.Range(0, 50).Select(number => app.Client.User($"elsewhere-{number}")).ToList();
        foreach (var user in users)
        {
            RequestContext.Set(IPlacementDirector.PlacementHintKey, cluster.Silos.Silos[1].SiloAddress);
            await cluster.User(user.GetPrimaryKeyString()).UpdateAsync(new() { DisplayName = "there" });
            RequestContext.Clear();
        }

        await Eventually.IsTrueAsync(async () =>
        {
            Assert.All(await Task.WhenAll(users.Select(user => user.GetAsync())), user => Assert.Equal("there", user!.DisplayName));
            return app.Forwarded > 0;
        });

        // A write that must not be repeated is returned, and is made once.
        var forwarded = app.Forwarded;
        await Task.WhenAll(users.Select(user => user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } })));
        Assert.All(await Task.WhenAll(users.Select(user => user.GetAsync())), user => Assert.Equal(1, user!.Counters["n"]));
        Assert.True(app.Returned > 0);
        Assert.All(
            await Task.WhenAll(users.Select(user => user.UpdateAsync(new() { Increment = new() { ["n"] = 1 } }, new() { RequestId = "once" }))),
            receipt => Assert.Equal(3, receipt.Version));
        Assert.True(app.Forwarded > forwarded);
    }

    private static Task EndedAsync(IEnumerable<Task> calls) => Task.WhenAll(calls).ContinueWith(_ => { }, TaskScheduler.Default);

    /// <summary>A client whose calls travel together, on the connection of the cluster's own client.</summary>
    private sealed class App
    {
        private readonly TestCluster _cluster;
        private IReadOnlyList<IPEndPoint> _gateways = [];

        public App(TestCluster cluster, string? service = null, int few = 0)
        {
            _cluster = cluster;
            var client = cluster.Silos.Client;
            var services = client.ServiceProvider;
            var lost = new LostCalls(_ => Task.FromResult<SiloDeath[]>([]), TimeProvider.System);
            var route = new CallRoute(
                () => _gateways, LiveGateways.Of(services)!, client, lost, new(), service is null ? null : (int)StableHash.ComputeHash(service));
            UseAllGateways();
            Runtime = new(services.GetRequiredService<IGrainReferenceRuntime>(), route, new() { CoalesceAbove = few });
            Client = new(client, Runtime, services);
        }

        public ActorsClient Client { get; }

        internal CoalescingRuntime Runtime { get; }

        public List<IServiceProvider> Silos => [.. _cluster.Silos.Silos.Select(silo => _cluster.Silos.GetSiloServiceProvider(silo.SiloAddress))];

        public long Turns => Counters.Sum(silo => silo.Turns);

        public long Forwarded => Counters.Sum(silo => silo.Forwarded);

        public long Returned => Counters.Sum(silo => silo.Returned);

        public long Others => Forwarded + Returned + Counters.Sum(silo => silo.Messages);

        public void UseAllGateways() => _gateways = [.. _cluster.Silos.Silos.Select(silo => silo.GatewayAddress.Endpoint)];

        private IEnumerable<CallCounters> Counters => Silos.Select(silo => silo.GetRequiredService<CallCounters>());
    }
}
