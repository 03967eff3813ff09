using Actors.Fixtures;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace Actors.Grains.Tests.Resilience;

[NeedsServers]
public sealed class ClusterClaimTests(RedisFixture redis) : IAsyncDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    private readonly string _service = $"claim-{Guid.NewGuid():n}";
    private readonly List<RedisGateway> _gateways = [];
    private readonly List<ClusterClaims> _silos = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Second_cluster_is_refused_while_the_first_is_alive()
    {
        await JoinAsync(Silo("blue", "one"));

        var error = await Assert.ThrowsAsync<ServiceInUseException>(() => Silo("green", "two").BeginAsync(Token));

        Assert.Contains("'blue'", error.Message, StringComparison.Ordinal);
        Assert.Contains("'green'", error.Message, StringComparison.Ordinal);
        Assert.Contains("silo one, seen ", error.Message, StringComparison.Ordinal);
        Assert.Contains(_service, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task Silos_of_one_cluster_start_together()
    {
        await JoinAsync(Silo("blue", "one"));
        await JoinAsync(Silo("blue", "two"));
    }

    [Fact]
    public async Task Next_cluster_starts_at_once_after_the_first_stopped()
    {
        var (one, two) = (Silo("blue", "one"), Silo("blue", "two"));
        await JoinAsync(one);
        await JoinAsync(two);
        await LeaveAsync(one);
        await Assert.ThrowsAsync<ServiceInUseException>(() => Silo("green", "three").BeginAsync(Token));
        await LeaveAsync(two);

        await JoinAsync(Silo("green", "three"));
    }

    [Fact]
    public async Task Next_cluster_starts_after_the_limit_if_the_first_died()
    {
        var bound = TimeSpan.FromSeconds(1);
        var dead = Silo("blue", "one", bound);
        await JoinAsync(dead);
        await dead.StopAsync();

        await Eventually.IsTrueAsync(async () =>
        {
            try
            {
                await Silo("green", "two", bound).BeginAsync(Token);
                return true;
            }
            catch (ServiceInUseException)
            {
                return false;
            }
        });
    }

    [Fact]
    public async Task Exactly_one_of_several_concurrent_clusters_starts()
    {
        var refused = 0;
        await Task.WhenAll(Enumerable.Range(0, 6).Select(n => Silo($"cluster-{n}", $"silo-{n}")).Select(async silo =>
        {
            try
            {
                await silo.BeginAsync(Token);
            }
            catch (ServiceInUseException)
            {
                Interlocked.Increment(ref refused);
            }
        }));
        Assert.Equal(5, refused);
    }

    [Fact]
    public async Task Live_cluster_keeps_its_service_if_its_record_is_lost()
    {
        await JoinAsync(Silo("blue", "one"));
        await using var client = await ConnectionMultiplexer.ConnectAsync(redis.Server.ConnectionString);
        await client.GetDatabase().KeyDeleteAsync($"{_service}:clusters");

        // The newcomer may arrive before the first has recorded itself again; it then yields before it joins.
        var newcomer = Silo("green", "two");
        try
        {
            await newcomer.BeginAsync(Token);
            await Eventually.IsTrueAsync(() => client.GetDatabase().HashExistsAsync($"{_service}:clusters", "one"));
        }
        catch (ServiceInUseException)
        {
            return;
        }

        await Assert.ThrowsAsync<ServiceInUseException>(() => newcomer.JoinAsync(Token));
        Assert.False(await client.GetDatabase().HashExistsAsync($"{_service}:clusters", "two"));
    }

    [Fact]
    public async Task Partitioned_silo_yields_to_a_cluster_that_took_over()
    {
        var stopping = new Lifetime();
        var time = new HastyTime();
        var old = Silo("blue", "one", host: stopping, time: time);
        await JoinAsync(old);
        await using var client = await ConnectionMultiplexer.ConnectAsync(redis.Server.ConnectionString);
        await client.GetDatabase().HashSetAsync($"{_service}:clusters", "two", $"{DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()} k green");

        // A silo that reaches Redis keeps its claim.
        await Task.Delay(TimeSpan.FromSeconds(2), Token);
        Assert.False(stopping.IsStopped);
        await client.GetDatabase().HashSetAsync($"{_service}:clusters", "two", $"{DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()} k green");
        time.Skip(Long);

        await Eventually.IsTrueAsync(() => Task.FromResult(stopping.IsStopped));
        Assert.Contains("'green'", old.LostTo, StringComparison.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var silo in _silos)
        {
            await silo.StopAsync();
            silo.Dispose();
        }

        foreach (var gateway in _gateways) await gateway.DisposeAsync();
    }

    private static async Task JoinAsync(ClusterClaims silo)
    {
        await silo.BeginAsync(Token);
        await silo.JoinAsync(Token);
    }

    private static async Task LeaveAsync(ClusterClaims silo)
    {
        await silo.StopAsync();
        await silo.ReleaseAsync();
    }

    private ClusterClaims Silo(
        string cluster, string silo, TimeSpan? bound = null, Microsoft.Extensions.Hosting.IHostApplicationLifetime? host = null, TimeProvider? time = null)
    {
        var gateway = redis.Open(_service);
        _gateways.Add(gateway);
        var claims = new ClusterClaims(
            gateway, cluster, _service, silo, bound ?? Long, time ?? TimeProvider.System, NullLogger<ClusterClaims>.Instance, host);
        _silos.Add(claims);
        return claims;
    }

    /// <summary>The real time, which can also skip ahead.</summary>
    private sealed class HastyTime : TimeProvider
    {
        private long _skipped;

        public override long GetTimestamp() => System.GetTimestamp() + Interlocked.Read(ref _skipped);

        public void Skip(TimeSpan time) => Interlocked.Add(ref _skipped, (long)(time.TotalSeconds * TimestampFrequency));
    }

    private sealed class Lifetime : Microsoft.Extensions.Hosting.IHostApplicationLifetime
    {
        public bool IsStopped { get; private set; }

        public CancellationToken ApplicationStarted => default;

        public CancellationToken ApplicationStopping => default;

        public CancellationToken ApplicationStopped => default;

        public void StopApplication() => IsStopped = true;
    }
}
