using System.Net;
using Actors.Membership;
using Actors.Redis;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using StackExchange.Redis;

namespace Actors.Contracts;

/// <summary>The part of a silo that its membership table needs.</summary>
internal sealed class MembershipSilo : IAsyncDisposable
{
    private readonly ServiceProvider _provider;

    private MembershipSilo(ServiceProvider provider, SiloAddress address)
    {
        _provider = provider;
        Address = address;
        Table = provider.GetRequiredService<SelfHealingMembershipTable>();
    }

    public SiloAddress Address { get; }

    public SelfHealingMembershipTable Table { get; }

    /// <summary>The membership proof of this silo, with <paramref name="membership"/> as its view of other silos.</summary>
    public MembershipProof Proof(IClusterMembershipService membership) => ActivatorUtilities.CreateInstance<MembershipProof>(_provider, membership);

    /// <summary>A silo that has not used the table yet.</summary>
    public static MembershipSilo Create(string redis, string service, int port, TimeSpan grace = default)
    {
        var address = SiloAddress.New(IPAddress.Loopback, port, 1);
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<ClusterClock>();
        services.AddSingleton<ILocalSiloDetails>(new Details(address));
        services.Configure<ClusterOptions>(cluster => (cluster.ServiceId, cluster.ClusterId) = (service, "tests"));
        new Builder(services).UseRedisClustering(_ => { }).UseSelfHealingMembership(ConfigurationOptions.Parse(redis), grace);
        return new MembershipSilo(services.BuildServiceProvider(), address);
    }

    /// <summary>Joins like Orleans.</summary>
    public async Task JoinAsync()
    {
        await Table.InitializeMembershipTableAsync(tryInitTableVersion: true);
        await WriteAsync(Address, SiloStatus.Joining);
        await WriteAsync(Address, SiloStatus.Active);
    }

    /// <summary>Writes the status of this or another silo, like Orleans.</summary>
    public async Task WriteAsync(SiloAddress silo, SiloStatus status)
    {
        var isWritten = false;
        while (!isWritten)
        {
            var table = await Table.ReadAllAsync();
            var next = table.Version.Next();
            if (table.TryGet(silo) is not { } row)
            {
                isWritten = await Table.InsertRowAsync(Entry(silo, status), next);
                continue;
            }

            row.Item1.Status = status;
            isWritten = await Table.UpdateRowAsync(row.Item1, row.Item2, next);
        }
    }

    /// <summary>The silos in the table as Orleans reads it.</summary>
    public async Task<IReadOnlyDictionary<SiloAddress, SiloStatus>> ReadAsync() =>
        (await Table.ReadAllAsync()).Members.ToDictionary(row => row.Item1.SiloAddress, row => row.Item1.Status);

    public ValueTask DisposeAsync() => _provider.DisposeAsync();

    private static MembershipEntry Entry(SiloAddress silo, SiloStatus status) => new()
    {
        SiloAddress = silo,
        Status = status,
        HostName = "localhost",
        SiloName = $"a name with \"Status\":6 in it, {silo}",
        SuspectTimes = [],
        StartTime = DateTime.UtcNow,
        IAmAliveTime = DateTime.UtcNow,
    };

    private sealed class Builder(IServiceCollection services) : ISiloBuilder
    {
        public IServiceCollection Services => services;

        public IConfiguration Configuration { get; } = new ConfigurationBuilder().Build();
    }

    private sealed class Details(SiloAddress address) : ILocalSiloDetails
    {
        public string Name => address.ToString();

        public string ClusterId => "tests";

        public string DnsHostName => "localhost";

        public SiloAddress SiloAddress => address;

        public SiloAddress GatewayAddress => address;
    }
}
