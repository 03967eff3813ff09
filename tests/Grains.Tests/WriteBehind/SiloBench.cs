using System.Net;
using System.Text;
using Actors.Core;
using Actors.Membership;
using Actors.Redis;
using Actors.WriteBehind;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Actors.Grains.Tests.WriteBehind;

/// <summary>The write-behind of one silo without the silo: several share a journal, a cache and a table.</summary>
internal sealed class SiloBench : IAsyncDisposable
{
    private readonly RedisGateway _redis;

    public SiloBench(RedisGateway redis, FaultyStore store, int number, WriteBehindOptions? options = null, TimeProvider? clock = null, IPartitionedPeers? peers = null)
    {
        _redis = redis;
        Store = store;
        var cutOff = new PartitionedSilos(peers ?? new NoPeers(), NullLogger<PartitionedSilos>.Instance);
        Cache = new RowCache(redis, cutOff, Options.Create(new CacheOptions()));
        Silo = SiloAddress.New(IPAddress.Loopback, 10_000 + number, number);
        Table = new WriteBehindTable(
            store, redis, Cache, cutOff, new ExpiringLeases(() => new Dictionary<string, SiloStatus>(), TimeProvider.System), new Details(Silo),
            Options.Create(options ?? new() { FlushInterval = TimeSpan.FromMilliseconds(5) }),
            new WriteBehindCounters(), new ReadCounters(), clock ?? TimeProvider.System, NullLogger<WriteBehindTable>.Instance);
        Table.Start();
    }

    public SiloAddress Silo { get; }

    public RedisGateway Redis => _redis;

    public FaultyStore Store { get; }

    public RowCache Cache { get; }

    public WriteBehindTable Table { get; }

    public static Row Make(Ownership owner, long version, int padding = 0) => new(
        owner.Key, version, owner.Epoch,
        Encoding.UTF8.GetBytes($"{{\"displayName\":\"{new string('x', padding)}\",\"by\":{owner.Epoch},\"at\":{version}}}"));

    public Task<OpenedRow> OpenAsync(string key, long atLeast = 0) => Table.OpenAsync(key, atLeast, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await Table.DrainAsync();
        Table.Dispose();
        await _redis.DisposeAsync();
    }

    private sealed class Details(SiloAddress silo) : ILocalSiloDetails
    {
        public string Name => "bench";

        public string ClusterId => "bench";

        public string DnsHostName => "localhost";

        public SiloAddress SiloAddress => silo;

        public SiloAddress GatewayAddress => silo;
    }
}
