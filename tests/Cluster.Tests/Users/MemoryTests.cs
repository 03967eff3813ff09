using Actors.Core;
using Actors.Fixtures;
using Actors.Users;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Cluster.Tests.Users;

/// <summary>Users of a silo with memory for a small part of them.</summary>
public sealed class MemoryTests(ServersFixture servers)
{
    private const long MaxMemory = 8 << 20;
    private const int Callers = 64;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task More_users_than_fit_into_memory_are_written_and_read_back()
    {
        const int Users = 3_000;
        await using var cluster = await StartAsync();
        var most = 0L;
        await EachAsync(Users, async i =>
        {
            await RetriedAsync(() => cluster.User($"u{i}").UpdateAsync(new() { DisplayName = $"name {i}", Increment = new() { ["n"] = 1 } }));
            if (i % 100 == 0) Raise(ref most, (await StatusAsync(cluster)).Bytes);
        });
        var status = await StatusAsync(cluster);
        Assert.InRange(Math.Max(most, status.Bytes), MaxMemory / 2, MaxMemory);
        Assert.Equal(MaxMemory, status.MaxBytes);
        Assert.InRange(status.Shed, Users / 3, long.MaxValue);

        await EachAsync(Users, async i =>
        {
            var user = await RetriedAsync(() => cluster.User($"u{i}").GetAsync());
            Assert.Equal(($"name {i}", 1L, 1L, false), (user!.DisplayName, user.Counters["n"], user.Version, user.IsPossiblyStale));
        });
        Assert.InRange((await StatusAsync(cluster)).Bytes, 0, MaxMemory);
        await Eventually.IsTrueAsync(async () => await cluster.QueryAsync<long>("SELECT count(*) FROM users WHERE version = 1") == Users, Limit);
    }

    [Fact]
    public async Task Large_users_are_charged_their_size_in_memory()
    {
        const int Users = 400;
        await using var cluster = await StartAsync();
        var active = cluster.Silos.GetSiloServiceProvider(cluster.Silos.Silos[0].SiloAddress).GetRequiredService<ActiveUsers>();
        var most = 0L;
        UserPatch large = new() { Attributes = Enumerable.Range(0, 12).ToDictionary(i => $"a{i}", string? (_) => new string('x', 4000)) };
        await EachAsync(Users, async i =>
        {
            // Users are small when loaded and grow in memory.
            await RetriedAsync(() => cluster.User($"u{i}").UpdateAsync(new() { DisplayName = "small" }));
            await RetriedAsync(() => cluster.User($"u{i}").UpdateAsync(large));
            Raise(ref most, active.Bytes);
        });

        // Activations that wait for room take a little memory as well.
        Assert.InRange(most, MaxMemory / 2, MaxMemory / 16 * 17);
        var status = await StatusAsync(cluster);
        Assert.InRange(status.Bytes, 0, MaxMemory);
        Assert.InRange(status.Active, 1, MaxMemory / 96_000);
        await EachAsync(Users, async i => Assert.Equal(12, (await RetriedAsync(() => cluster.User($"u{i}").GetAsync()))!.Attributes.Count));
        Assert.InRange((await StatusAsync(cluster)).Bytes, 0, MaxMemory);
    }

    [Fact]
    public async Task Reads_of_unknown_ids_do_not_evict_users()
    {
        const int Users = 500;
        await using var cluster = await StartAsync();
        await EachAsync(Users, i => RetriedAsync(() => cluster.User($"u{i}").UpdateAsync(new() { DisplayName = "here" })));
        await EachAsync(2_500, async i => Assert.Null(await RetriedAsync(() => cluster.User($"nobody-{i}").GetAsync())));

        var status = await StatusAsync(cluster);
        Assert.InRange(status.Bytes, 0, MaxMemory);
        Assert.InRange(status.Shed, 1_000, long.MaxValue);
        var before = (await cluster.Cluster.GetStatusAsync()).Silos[0].Cache.Memory;
        await EachAsync(Users, async i => Assert.Equal("here", (await cluster.User($"u{i}").GetAsync())!.DisplayName));
        var after = (await cluster.Cluster.GetStatusAsync()).Silos[0].Cache.Memory;
        Assert.Equal((Users, 0), (after.Hits - before.Hits, after.Misses - before.Misses));
    }

    [Fact]
    public async Task Full_heap_rejects_calls_until_memory_is_free()
    {
        var live = 0L;
        await using var cluster = await StartAsync(services => services.AddSingleton(
            new HeapPressure(TimeProvider.System, NullLogger<HeapPressure>.Instance, () => (Volatile.Read(ref live), 100))));
        var user = cluster.User("u");
        await user.UpdateAsync(new() { DisplayName = "one" });

        // Only users in memory may be read and written then.
        Volatile.Write(ref live, 85);
        var refused = await RefusedAsync(() => cluster.User($"{Guid.NewGuid():n}").GetAsync());
        Assert.InRange(refused.RetryAfter, TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10));

        Volatile.Write(ref live, 95);
        await RefusedAsync(() => user.UpdateAsync(new() { DisplayName = "two" }));

        Volatile.Write(ref live, 10);
        await Eventually.IsTrueAsync(
            async () =>
            {
                try
                {
                    return (await user.UpdateAsync(new() { DisplayName = "three" })).Version >= 2;
                }
                catch (OverloadedException)
                {
                    return false;
                }
            },
            Limit);
        Assert.Equal("three", (await user.GetAsync())!.DisplayName);
        Assert.InRange((await StatusAsync(cluster)).Refused, 2, long.MaxValue);
    }

    private Task<TestCluster> StartAsync(Action<IServiceCollection>? services = null) => TestCluster.StartAsync(servers, silos: 1, services: all =>
    {
        all.Configure<UserOptions>(options => options.MaxMemory = MaxMemory);
        services?.Invoke(all);
    });

    private static async Task<ActiveUsersStatus> StatusAsync(TestCluster cluster) => (await cluster.Cluster.GetStatusAsync()).Silos[0].Users;

    private static Task EachAsync(int count, Func<int, Task> call) => Parallel.ForEachAsync(
        Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = Callers }, async (i, _) => await call(i));

    private static async Task<OverloadedException> RefusedAsync(Func<Task> call)
    {
        OverloadedException? refused = null;
        await Eventually.IsTrueAsync(
            async () =>
            {
                try
                {
                    await call();
                    return false;
                }
                catch (OverloadedException error)
                {
                    refused = error;
                    return true;
                }
            },
            Limit);
        return refused!;
    }

    // Like a client that honours retry-after.
    private static async Task<T> RetriedAsync<T>(Func<Task<T>> call)
    {
        for (var deadline = DateTime.UtcNow + Limit; ;)
        {
            try
            {
                return await call();
            }
            catch (OverloadedException refused) when (DateTime.UtcNow < deadline)
            {
                await Task.Delay(refused.RetryAfter);
            }
        }
    }

    private static void Raise(ref long most, long to)
    {
        for (var seen = Volatile.Read(ref most); to > seen;)
        {
            var now = Interlocked.CompareExchange(ref most, to, seen);
            if (now == seen) return;
            seen = now;
        }
    }
}
