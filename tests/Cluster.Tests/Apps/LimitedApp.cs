using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Actors.Cluster.Tests.Apps;

/// <summary>A web app on Kestrel with one endpoint per policy, and a client with its own loopback address.</summary>
internal sealed class LimitedApp : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _http;

    private LimitedApp(WebApplication app, IPAddress address, Version version)
    {
        _app = app;
        Address = address;
        var handler = new SocketsHttpHandler { ConnectCallback = ConnectAsync };
        _http = new(handler)
        {
            BaseAddress = new(app.Urls.First()),
            DefaultRequestVersion = version,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
    }

    /// <summary>The source address of the requests.</summary>
    public IPAddress Address { get; }

    public static async Task<LimitedApp> StartAsync(
        ActorsClient client, Action<ActorsRateLimitingOptions> configure, Version? version = null, Action<RateLimiterOptions>? configureLimiter = null)
    {
        version ??= HttpVersion.Version11;
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(
            endpoint => endpoint.Protocols = version.Major == 2 ? HttpProtocols.Http2 : HttpProtocols.Http1));
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(client);
        builder.Services.AddActorsRateLimiting(limits =>
        {
            limits.CallTimeout = TimeSpan.FromSeconds(30);
            limits.AddPolicy(AppCluster.Search).AddPolicy(AppCluster.Patient, maxWait: RateLimits.MaxWait);
            configure(limits);
        });
        if (configureLimiter is not null) builder.Services.AddRateLimiter(configureLimiter);
        var app = builder.Build();
        app.UseRateLimiter();
        app.MapGet("/search", () => "found").RequireRateLimiting(AppCluster.Search);
        app.MapGet("/patient", () => "done").RequireRateLimiting(AppCluster.Patient);
        await app.StartAsync();
        var random = Random.Shared;
        return new(app, new([127, (byte)random.Next(1, 255), (byte)random.Next(1, 255), (byte)random.Next(2, 255)]), version);
    }

    /// <summary>Sends a request with these values of the header X-Api-Key, one header line each.</summary>
    public async Task<HttpResponseMessage> GetAsync(string path, string[] keys, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Version = _http.DefaultRequestVersion, VersionPolicy = _http.DefaultVersionPolicy };
        request.Headers.TryAddWithoutValidation("X-Api-Key", keys);
        return await _http.SendAsync(request, cancellationToken);
    }

    public async Task<int> StatusAsync(string path, params string[] keys)
    {
        using var response = await GetAsync(path, keys);
        return (int)response.StatusCode;
    }

    /// <summary>Sends a request and aborts it before the response.</summary>
    public async Task AbortAsync(string path, string key, TimeSpan after)
    {
        using var abort = new CancellationTokenSource(after);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => GetAsync(path, [key], abort.Token));
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _app.DisposeAsync();
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Bind(new IPEndPoint(Address, 0));
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
