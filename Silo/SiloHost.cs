using System.Net;
using Actors.Diagnostics;
using Actors.Resilience;
using Actors.Silo.Configuration;
using Actors.Silo.Health;
using Actors.Silo.Storage;
using Actors.WriteBehind;
using Microsoft.Extensions.Configuration.Memory;
using OpenTelemetry.Metrics;
using Orleans.Configuration;
using StackExchange.Redis;

namespace Actors.Silo;

/// <summary>Puts a silo together: configuration, storage, Orleans, HTTP.</summary>
internal static class SiloHost
{
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ClientsLeave = TimeSpan.FromSeconds(4);

    public static async Task RunAsync(string[] args)
    {
        var builder = WebApplication.CreateBuilder(args);
        AddLogging(builder);
        var settings = SiloConfiguration.Read(builder.Configuration);
        _ = OtlpExport.IsWanted(builder.Configuration);
        using var ports = new Ports();
        var urls = HttpEndpoint.Choose(builder.Configuration, ports);
        builder.WebHost.UseUrls(urls);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = settings.StopTimeout);

        builder.Services.AddOptions<WriteBehindOptions>().Validate(
            options => options.DrainTimeout + Margin <= settings.StopTimeout,
            $"{WriteBehindOptions.Section}:{nameof(WriteBehindOptions.DrainTimeout)} must be at least {Margin.TotalSeconds} s less than"
            + $" {SiloSettings.Section}:{nameof(SiloSettings.StopTimeout)}, which is {settings.StopTimeout}: the silo has more to do than to drain.");

        // The storage is there before the host and after it, and so are its loggers.
        using var loggers = LoggerFactory.Create(logging =>
        {
            logging.AddConfiguration(builder.Configuration.GetSection("Logging"));
            logging.AddConsole();
        });
        await using var storage = await SiloStorage.OpenAsync(builder.Configuration, settings, loggers);
        var endpoints = SiloEndpoints.Choose(settings, ports);
        builder.UseOrleans(silo => Configure(silo, settings, endpoints, storage));
        builder.Services.AddSingleton(storage.Rows);
        if (storage.Clock is { } clock) builder.Services.AddSingleton<IReferenceClock>(clock);
        builder.Services.Configure<ClockOptions>(clocks => clocks.MaxSkew = settings.MaxClockSkew);
        builder.Services.Configure<RedisOptions>(redis => storage.Configure(redis, settings.ServiceId));
        builder.Services.AddHealthChecks().AddSiloChecks();
        AddMetrics(builder);

        await using var app = builder.Build();
        app.MapSiloHealth();
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.Lifetime.ApplicationStarted.Register(() => Announcement.Write(Console.Out, settings, endpoints, urls[0], storage));
        var stopping = app.Lifetime.ApplicationStopping;
        var lostTo = app.Services.WatchService();
        try
        {
            await app.RunAsync();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Told to stop while it was still starting: that is no failure.
        }

        if (lostTo() is { } lost) throw new ConfigurationException(lost);
    }

    private static void Configure(ISiloBuilder silo, SiloSettings settings, SiloEndpoints endpoints, SiloStorage storage)
    {
        silo.AddActors();
        silo.Configure<ClusterOptions>(cluster =>
        {
            cluster.ClusterId = settings.ClusterId;
            cluster.ServiceId = settings.ServiceId;
        });
        silo.Configure<EndpointOptions>(endpoint =>
        {
            endpoint.AdvertisedIPAddress = endpoints.Address;
            endpoint.SiloPort = endpoints.SiloPort;
            endpoint.GatewayPort = endpoints.GatewayPort;
            endpoint.SiloListeningEndpoint = new IPEndPoint(endpoints.Address, endpoints.SiloPort);
            endpoint.GatewayListeningEndpoint = new IPEndPoint(endpoints.Address, endpoints.GatewayPort);
        });

        silo.Configure<ClusterMembershipOptions>(membership =>
        {
            // A silo that is killed is declared dead after about 6 s rather than 15: what it left unflushed is taken over then.
            membership.ProbeTimeout = TimeSpan.FromSeconds(2);

            // No vote is cast against a silo while any message came from it within three of these. That is how long a silo may be
            // starved of CPU, and how long one that is frozen, and keeps its connections open, is not noticed.
            membership.MaxProbeTimeout = TimeSpan.FromSeconds(3);
            membership.TableRefreshTimeout = TimeSpan.FromSeconds(10);
        });
        // A client that is told to call other silos still waits for the answers of calls that it made through this one.
        silo.Configure<SiloMessagingOptions>(messaging => messaging.ClientGatewayShutdownNotificationTimeout = ClientsLeave);
        silo.UseRedisClustering(_ => { });
        silo.UseLastingMembership(ConfigurationOptions.Parse(storage.Redis), storage.HostsRedis ? TimeSpan.Zero : null);
        silo.UseClusterClaim();
        silo.AddActivityPropagation();
    }

    private static void AddMetrics(WebApplicationBuilder builder)
    {
        var metrics = builder.Services.AddOpenTelemetry().WithMetrics(meters => meters
            .AddMeter(ActorsTelemetry.MeterName, "Microsoft.Orleans", "System.Runtime")
            .AddPrometheusExporter());

        // The standard variable: pushed as well as scraped where a collector is named.
        if (OtlpExport.IsWanted(builder.Configuration)) metrics.WithMetrics(meters => meters.AddOtlpExporter());
    }

    private static void AddLogging(WebApplicationBuilder builder)
    {
        // Below all other sources, so that Logging:* overrides them.
        builder.Configuration.Sources.Insert(0, new MemoryConfigurationSource
        {
            InitialData = new Dictionary<string, string?>
            {
                ["Logging:Console:FormatterName"] = "simple",
                ["Logging:Console:FormatterOptions:SingleLine"] = "true",
                ["Logging:Console:FormatterOptions:TimestampFormat"] = "HH:mm:ss ",
                ["Logging:LogLevel:Default"] = "Warning",
                ["Logging:LogLevel:Actors"] = "Information",
                ["Logging:LogLevel:Actors.Diagnostics.SiloStatusService"] = "Warning",
                ["Logging:LogLevel:Actors.Resilience.RedisBreakerService"] = "Warning",
                ["Logging:LogLevel:Actors.Resilience.MembershipService"] = "Warning",

                // What keeps the silo from starting is said in one line when it ends (SiloProgram).
                ["Logging:LogLevel:Microsoft.Extensions.Hosting.Internal.Host"] = "None",
                ["Logging:LogLevel:Orleans.Runtime.Silo"] = "Critical",
                ["Logging:LogLevel:Orleans.Hosting.SiloHostedService"] = "None",

                // Asked every few seconds by whoever watches; what is wrong is in the answer.
                ["Logging:LogLevel:Microsoft.Extensions.Diagnostics.HealthChecks"] = "None",

                // Repeat with a stack trace each time that Redis is away; MembershipKeeper says so once.
                ["Logging:LogLevel:Orleans.Runtime.MembershipService.MembershipTableManager"] = "Error",
                ["Logging:LogLevel:Orleans.Runtime.MembershipService.MembershipAgent"] = "Error",

                // Warns at every start that its first check, measured from the machine's boot, is late.
                ["Logging:LogLevel:Orleans.Runtime.Watchdog"] = "Error",
            },
        });
    }
}
