using Actors.Cli.Output;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;

namespace Actors.Cli.Connection;

/// <summary>Connects once, like every client app, but without a generic host, because a command must start quickly.</summary>
internal sealed class OrleansConnector : IClusterConnector
{
    // A person is waiting; a longer delay is not normal start-up.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private readonly Terminal _terminal;

    // Orleans' services take as long to list as the command line takes to read, so both happen at once.
    private readonly Task<ServiceCollection> _orleans;
    private readonly OpenConnections _connections = new();

    public OrleansConnector(Terminal terminal)
    {
        _terminal = terminal;
        _orleans = Task.Run(() =>
        {
            var services = new ServiceCollection();
            services.AddActorsClient(options => options.ConnectTimeout = ConnectTimeout);
            services.Configure<ClientConnectionOptions>(options => options.ConfigureConnection(_connections.Observe));
            return services;
        });
    }

    public async Task<ICluster> ConnectAsync(ClusterTarget target, CancellationToken cancellationToken)
    {
        var services = await _orleans;
        services.AddSingleton(ConfigurationOf(target));
        services.AddLogging(logging =>
        {
            logging.SetMinimumLevel(LogLevel.Warning);
            if (target.IsVerbose)
                logging.AddProvider(new TerminalLoggerProvider(_terminal));
        });
        services.Configure<ActorsClientOptions>(options =>
        {
            options.SearchDirectory = target.Directory;
            options.Redis = target.Redis ?? options.Redis;
            if (target.Gateways.Length > 0) options.Gateways = target.Gateways;
        });

        // Neither stopped nor disposed: the process ends with the command. The connections are closed.
        var provider = services.BuildServiceProvider();

        // Redis answers while Orleans' client is built. The client asks again, so a failure here is reported there.
        var gateways = provider.GetRequiredService<GatewayFinder>();
        gateways.Prefetch();
        foreach (var service in provider.GetServices<IHostedService>())
            await service.StartAsync(cancellationToken);
        if (gateways.RedisProblem is { } problem)
            _terminal.Note($"warning: {Text.Printable(problem)}; connected through gateways from another source");
        return new OrleansCluster(provider.GetRequiredService<ActorsClient>(), _connections);
    }

    /// <summary>The environment. Its Redis is ignored if the command line alone selects the cluster.</summary>
    private static IConfiguration ConfigurationOf(ClusterTarget target) => target is { Redis: null, Gateways.Length: > 0 }
        ? new ConfigurationBuilder()
            .AddConfiguration(target.Configuration)
            .AddInMemoryCollection([
                new("ConnectionStrings:redis", ""),
                new($"{ActorsClientOptions.SectionName}:{nameof(ActorsClientOptions.Redis)}", ""),
            ])
            .Build()
        : target.Configuration;

    private sealed class OrleansCluster(ActorsClient client, OpenConnections connections) : ICluster
    {
        public IUserGrain User(string id) => client.User(id);

        public IRateLimiterGrain Limiter(string id) => client.RateLimiter(id);

        public IClusterGrain Status => client.Cluster;

        public IWriteBehindGrain WriteBehind => client.WriteBehind;

        public IRedisBreakerGrain Breaker(string silo) => client.RedisBreaker(silo);

        public void Dispose() => connections.Close();
    }
}
