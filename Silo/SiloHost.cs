using System.Net;
using Actors.Core;
using Actors.Hosting;
using Actors.Membership;
using Actors.Redis;
using Actors.Silo.Configuration;
using Actors.Silo.Health;
using Actors.Silo.Logging;
using Actors.Silo.Storage;
using Actors.WriteBehind;
using OpenTelemetry.Metrics;
using Orleans.Configuration;
using StackExchange.Redis;

namespace Actors.Silo;

/// <summary>Assembles a silo: configuration, storage, Orleans, HTTP.</summary>
internal static partial class SiloHost
{
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ClientsLeave = TimeSpan.FromSeconds(4);

    /// <summary>Runs a silo until it is stopped.</summary>
    /// <param name="args">The settings, as read by <see cref="SiloArguments"/>.</param>
    /// <param name="progress">Receives the current step of the start.</param>
    public static async Task RunAsync(string[] args, StartProgress progress)
    {
        var builder = WebApplication.CreateBuilder(args);
        SiloLogging.AddDefaults(builder.Configuration);
        builder.Logging.QuoteConsole(progress);
        var settings = SiloConfiguration.Read(builder.Configuration);
        _ = OtlpExport.IsWanted(builder.Configuration);

        // The storage outlives the host, so its loggers do too.
        using var loggers = LoggerFactory.Create(logging =>
        {
            logging.AddConfiguration(builder.Configuration.GetSection("Logging"));
            logging.AddConsole().QuoteConsole(progress);
        });
        var logger = loggers.CreateLogger<StartProgress>();
        progress.WantsTraces = logger.IsEnabled(LogLevel.Debug);
        try
        {
            await RunAsync(builder, settings, loggers, progress);
        }
        catch (Exception error)
        {
            // SiloProgram prints the reason in one line.
            LogTrace(logger, progress.Step, error);
            throw;
        }
    }

    private static async Task RunAsync(WebApplicationBuilder builder, SiloSettings settings, ILoggerFactory loggers, StartProgress progress)
    {
        progress.Step = StartStep.Endpoints;
        using var ports = new Ports();
        var urls = HttpEndpoint.Choose(builder.Configuration, ports);
        builder.WebHost.UseUrls(urls);
        var endpoints = SiloEndpoints.Choose(settings, ports);

        progress.Step = StartStep.Storage;
        await using var storage = await SiloStorage.OpenAsync(builder.Configuration, settings, loggers);

        progress.Step = StartStep.Host;
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = settings.StopTimeout);
        builder.Services.AddOptions<WriteBehindOptions>().Validate(
            options => options.DrainTimeout + Margin <= settings.StopTimeout,
            $"{WriteBehindOptions.Section}:{nameof(WriteBehindOptions.DrainTimeout)} must be at least {Margin.TotalSeconds} s less than"
            + $" {SiloSettings.Section}:{nameof(SiloSettings.StopTimeout)}, which is {settings.StopTimeout}, "
            + "because a stop takes more than the drain.");
        builder.UseOrleans(silo => Configure(silo, settings, endpoints, storage));
        builder.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(progress);
        builder.Services.AddSingleton(storage.Rows);
        if (storage.Clock is { } clock) builder.Services.AddSingleton<IReferenceClock>(clock);
        builder.Services.Configure<ClockOptions>(clocks => clocks.MaxSkew = settings.MaxClockSkew);
        builder.Services.Configure<RedisOptions>(redis => storage.Configure(redis, settings.ServiceId));
        builder.Services.AddHealthChecks().AddSiloChecks();
        AddMetrics(builder);

        await using var app = builder.Build();
        app.MapSiloHealth();
        app.MapPrometheusScrapingEndpoint("/metrics");
        var announcement = new Announcement(settings, endpoints, urls, storage, loggers.CreateLogger<Announcement>());
        app.Lifetime.ApplicationStarted.Register(() =>
        {
            progress.Step = StartStep.Running;
            announcement.Write(SiloLogging.IsForPeople(builder.Configuration) ? Console.Out : null);
        });
        var stopping = app.Lifetime.ApplicationStopping;
        var lostTo = app.Services.WatchService();
        try
        {
            await app.RunAsync();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // A stop request during the start is not a failure.
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
            // A killed silo is declared dead after about 6 s instead of 15 s. Then its unflushed rows are taken over.
            membership.ProbeTimeout = TimeSpan.FromSeconds(2);

            // No vote is cast against a silo while any message from it arrived within three of these timeouts. So a silo may be
            // starved of CPU for that long, and a frozen silo that keeps its connections open stays unnoticed for that long.
            membership.MaxProbeTimeout = TimeSpan.FromSeconds(3);
            membership.TableRefreshTimeout = TimeSpan.FromSeconds(10);
        });
        // A client redirected to other silos still waits for the answers to calls it made through this one.
        silo.Configure<SiloMessagingOptions>(messaging => messaging.ClientGatewayShutdownNotificationTimeout = ClientsLeave);
        silo.UseRedisClustering(_ => { });
        silo.UseSelfHealingMembership(ConfigurationOptions.Parse(storage.Redis), storage.HostsRedis ? TimeSpan.Zero : null);
        silo.UseClusterClaim();
        silo.AddActivityPropagation();
    }

    private static void AddMetrics(WebApplicationBuilder builder)
    {
        var metrics = builder.Services.AddOpenTelemetry().WithMetrics(meters => meters
            .AddMeter(ActorsTelemetry.MeterName, "Microsoft.Orleans", "System.Runtime")
            .AddPrometheusExporter());

        // The standard variable: metrics are pushed in addition to scraping if a collector is configured.
        if (OtlpExport.IsWanted(builder.Configuration)) metrics.WithMetrics(meters => meters.AddOtlpExporter());
    }

    [LoggerMessage(EventId = 3002, Level = LogLevel.Debug, Message = "The silo stops because a step failed: {Step}")]
    private static partial void LogTrace(ILogger logger, StartStep step, Exception error);
}
