using System.Collections.Concurrent;
using Actors.Core;
using Actors.Fixtures;
using Actors.Hosting;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.TestingHost;

namespace Actors.Cluster.Tests;

/// <summary>Users that load without waiting, because Redis is known to be down and the store answers at once.</summary>
public sealed class LoadingTests
{
    [Fact]
    public async Task Failed_load_is_retried_by_the_next_call()
    {
        var store = new InstantStore();
        await using var cluster = await StartAsync(store);
        var user = cluster.Client.GetGrain<IUserGrain>("u");

        // The first call connects and therefore waits.
        await cluster.Client.GetGrain<IUserGrain>("another").GetAsync();
        store.IsDown = true;
        await Assert.ThrowsAsync<StorageUnavailableException>(() => user.GetAsync());
        await Assert.ThrowsAsync<StorageUnavailableException>(() => user.GetAsync());
        store.IsDown = false;

        Assert.Null(await user.GetAsync());
        Assert.Equal(new WriteReceipt { Version = 1, Durability = Durability.Database }, await user.UpdateAsync(new() { DisplayName = "x" }));
        Assert.True((await user.GetAsync())!.IsPossiblyStale);
    }

    private static async Task<InProcessTestCluster> StartAsync(IRowStore store)
    {
        var builder = new InProcessTestClusterBuilder(1);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.AddActors();
            silo.Services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Error));
            silo.Services.AddSingleton(store);
            silo.Services.Configure<RedisOptions>(redis => redis.ConnectionString = $"127.0.0.1:{FreePorts.Next()},connectTimeout=500,connectRetry=1");
        });
        var cluster = builder.Build();
        await cluster.DeployAsync();
        return cluster;
    }

    private sealed class InstantStore : IRowStore
    {
        private readonly ConcurrentDictionary<string, Row> _rows = new();

        public bool IsDown { get; set; }

        public string Description => "a store that answers at once";

        public IParkedRows Parked { get; } = new NoneParked();

        public Task MigrateAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<IReadOnlyList<Row>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) => IsDown
            ? Task.FromException<IReadOnlyList<Row>>(new StorageUnavailableException("the database", "It is down."))
            : Task.FromResult<IReadOnlyList<Row>>([.. keys.Where(_rows.ContainsKey).Select(key => _rows[key])]);

        public Task<IReadOnlyList<FencedRow>> UpsertAsync(IReadOnlyList<Row> rows, CancellationToken cancellationToken)
        {
            foreach (var row in rows) _rows[row.Key] = row;
            return Task.FromResult<IReadOnlyList<FencedRow>>([]);
        }
    }
    /// <summary>The parked rows of a store that rejects nothing.</summary>
    private sealed class NoneParked : IParkedRows
    {
        public Task<IReadOnlyList<FencedRow>> ParkAsync(IReadOnlyList<RowToPark> rows, CancellationToken cancellationToken) =>
            throw new NotSupportedException("It rejects nothing.");

        public Task<string?> FindReasonAsync(string key, long version, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

        public Task<long> CountAsync(CancellationToken cancellationToken) => Task.FromResult(0L);

        public Task<IReadOnlyList<ParkedRow>> ListAsync(string? after, int max, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<ParkedRow>>([]);

        public Task<IReadOnlyList<ReplayedRow>> ReplayAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<ReplayedRow>>([]);
    }
}
