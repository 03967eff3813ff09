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

/// <summary>Puts a silo together: configuration, storage, Orleans, HTTP.</summary>
internal static partial class SiloHost
{
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ClientsLeave = TimeSpan.FromSeconds(4);

    /// <summary>Runs a silo until it is stopped.</summary>
    /// <param name="args">Settings, as <see cref="SiloArguments"/> has read them.</param>
    /// <param name="progress">Told which step of the start begins.</param>
    public static async Task RunAsync(string[] args, StartProgress progress)
    {
        var builder = WebApplication.CreateBuilder(args);
        SiloLogging.AddDefaults(builder.Configuration);
        builder.Logging.QuoteConsole(progress);
        var settings = SiloConfiguration.Read(builder.Configuration);
        _ = OtlpExport.IsWanted(builder.Configuration);

        // The storage is there before the host and after it, and so are its loggers.
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
            // Why it ended is said in a line (SiloProgram).
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
            + $" {SiloSettings.Section}:{nameof(SiloSettings.StopTimeout)}, which is {settings.StopTimeout}: the silo has more to do than to drain.");
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
        silo.UseSelfHealingMembership(ConfigurationOptions.Parse(storage.Redis), storage.HostsRedis ? TimeSpan.Zero : null);
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

    [LoggerMessage(EventId = 1003, Level = LogLevel.Debug, Message = "The silo ends: {Step} failed")]
    private static partial void LogTrace(ILogger logger, StartStep step, Exception error);
}
