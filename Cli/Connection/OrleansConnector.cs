using Actors.Cli.Output;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Actors.Cli.Connection;

/// <summary>Connects once, like every client app, but without a generic host, because a command must start quickly.</summary>
internal sealed class OrleansConnector(Terminal terminal) : IClusterConnector
{
    // A person is waiting; a longer delay is not normal start-up.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    // Orleans' services take as long to list as the command line takes to read, so both happen at once.
    private readonly Task<ServiceCollection> _orleans = Task.Run(() =>
    {
        var services = new ServiceCollection();
        services.AddActorsClient(options => options.ConnectTimeout = ConnectTimeout);
        return services;
    });

    public async Task<ICluster> ConnectAsync(ClusterTarget target, CancellationToken cancellationToken)
    {
        var services = await _orleans;
        services.AddSingleton(ConfigurationOf(target));
        services.AddLogging(logging =>
        {
            logging.SetMinimumLevel(LogLevel.Warning);
            if (target.IsVerbose)
                logging.AddProvider(new TerminalLoggerProvider(terminal));
        });
        services.Configure<ActorsClientOptions>(options =>
        {
            options.SearchDirectory = target.Directory;
            options.Redis = target.Redis ?? options.Redis;
            if (target.Gateways.Length > 0) options.Gateways = target.Gateways;
        });

        // Not disposed: the process ends with the command. A cluster that was reached is told.
        var provider = services.BuildServiceProvider();

        // Redis answers while Orleans' client is built. The client asks again, so a failure here is reported there.
        var gateways = provider.GetRequiredService<GatewayFinder>();
        gateways.Prefetch();
        var started = provider.GetServices<IHostedService>().ToArray();
        foreach (var service in started)
            await service.StartAsync(cancellationToken);
        if (gateways.RedisProblem is { } problem)
            terminal.Note($"warning: {Text.Printable(problem)}; connected through gateways from another source");
        return new OrleansCluster(provider.GetRequiredService<ActorsClient>(), started);
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

    private sealed class OrleansCluster(ActorsClient client, IHostedService[] started) : ICluster
    {
        private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(2);

        public IUserGrain User(string id) => client.User(id);

        public IRateLimiterGrain Limiter(string id) => client.RateLimiter(id);

        public IClusterGrain Status => client.Cluster;

        public IWriteBehindGrain WriteBehind => client.WriteBehind;

        public IRedisBreakerGrain Breaker(string silo) => client.RedisBreaker(silo);

        /// <summary>Closes the connections, which the silos would log as broken otherwise.</summary>
        public async ValueTask DisposeAsync()
        {
            using var timeout = new CancellationTokenSource(StopTimeout);
            try
            {
                foreach (var service in started.Reverse())
                    await service.StopAsync(timeout.Token);
            }
            catch (Exception)
            {
                // The work is done and reported; a failure to disconnect does not matter.
            }
        }
    }
}
