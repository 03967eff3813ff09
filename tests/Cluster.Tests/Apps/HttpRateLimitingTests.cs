using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Claims;
using System.Text.Json;
using System.Threading.RateLimiting;
using Actors.Fixtures;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Actors.Cluster.Tests.Apps;

/// <summary>ASP.NET Core's rate limiting middleware over the cluster: a real web server and real silos.</summary>
public sealed class HttpRateLimitingTests(ServersFixture servers) : IAsyncLifetime
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);

    private readonly string _key = Guid.NewGuid().ToString("n");
    private readonly HttpClient _http = new();
    private TestCluster _cluster = null!;
    private ActorsClient _client = null!;
    private WebApplication? _app;
    private readonly ErrorLines _errors = new();

    public async ValueTask InitializeAsync()
    {
        _cluster = await TestCluster.StartAsync(servers, silos: 1);
        _client = new(_cluster.Silos.Client);
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null) await _app.DisposeAsync();
        _http.Dispose();
        await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task Endpoints_use_their_named_policy_or_the_default()
    {
        await SetAsync(KeyId, "search", 3);
        await SetAsync(KeyId, "rest", 1);
        await StartAsync(limits => (limits.AddPolicy("search").ClientIdFromHeader("X-Api-Key").DefaultPolicy, limits.SharedClientId) = ("rest", null));
        Assert.Equal([200, 200, 200, 429], await StatusesAsync("/search", 4));

        // The same policy: set by a controller's attribute, and with more permits than are left.
        Assert.Equal(429, await StatusAsync("/attribute"));
        Assert.Equal(429, await StatusAsync("/heavy"));
        Assert.Equal([200, 429], await StatusesAsync("/plain", 2));
        Assert.Equal(429, await StatusAsync("/no/such/endpoint"));

        // Disabled, or without an id and without a shared one.
        Assert.Equal(Enumerable.Repeat(200, 10), await StatusesAsync("/free", 10));
        Assert.Equal(200, await StatusAsync("/search", key: null));

        // A policy of the app itself is not a cluster policy.
        Assert.Equal([200, 200, 503], await StatusesAsync("/own", 3));
    }

    [Fact]
    public async Task Endpoint_takes_its_configured_permits_and_a_waiting_policy_waits()
    {
        await SetAsync(KeyId, "search", 5);
        await _client.RateLimiter(KeyId).SetPolicyAsync(new() { Name = "patient", Windows = [new(1, TimeSpan.FromSeconds(1))] });
        await StartAsync(limits => limits.AddPolicy("search").AddPolicy("patient", maxWait: RateLimits.MaxWait).ClientIdFromHeader("X-Api-Key"));
        using var response = await GetAsync("/heavy");
        Assert.Equal("\"search\";q=5;w=600", Header(response, "RateLimit-Policy"));
        Assert.Equal("\"search\";r=2;t=600", Header(response, "RateLimit"));
        Assert.Equal(429, await StatusAsync("/heavy"));
        Assert.Equal([200, 200, 429], await StatusesAsync("/search", 3));
        Assert.Equal([200, 200, 200], await StatusesAsync("/patient", 3));
    }

    [Fact]
    public async Task Headers_list_every_window_and_a_denial_names_the_full_one_and_its_reset()
    {
        await _client.RateLimiter(KeyId).SetPolicyAsync(
            new() { Name = "search", Windows = [new(10, TimeSpan.FromMilliseconds(2500)), new(2, TimeSpan.FromHours(1))] });
        await StartAsync(limits => limits.AddPolicy("search").ClientIdFromHeader("X-Api-Key"));
        Assert.Equal([200, 200], await StatusesAsync("/search", 2));
        using var denied = await GetAsync("/search");
        Assert.Equal(429, (int)denied.StatusCode);
        Assert.Equal("\"search.2500ms\";q=10;w=3, \"search.1h\";q=2;w=3600", Header(denied, "RateLimit-Policy"));
        var after = int.Parse(Header(denied, "Retry-After"), CultureInfo.InvariantCulture);
        Assert.InRange(after, 3000, 3600);
        Assert.Equal($"\"search.1h\";r=0;t={after}", Header(denied, "RateLimit"));
        Assert.Equal("application/problem+json", denied.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(await denied.Content.ReadAsStringAsync());
        Assert.Equal("https://iana.org/assignments/http-problem-types#quota-exceeded", problem.RootElement.GetProperty("type").GetString());
        Assert.Equal(["search.1h"], problem.RootElement.GetProperty("violated-policies").EnumerateArray().Select(each => each.GetString()));
    }

    [Fact]
    public async Task Rate_limiting_of_the_app_keeps_working_and_charges_once()
    {
        await SetAsync(KeyId, "search", 5);
        var rejected = 0;
        await using var global = PartitionedRateLimiter.Create<HttpContext, int>(_ => RateLimitPartition.GetFixedWindowLimiter(
            0, _ => new() { PermitLimit = 8, Window = Long, AutoReplenishment = false }));
        await StartAsync(limits => limits.AddPolicy("search").ClientIdFromHeader("X-Api-Key"), limiter =>
        {
            limiter.GlobalLimiter = global;
            limiter.OnRejected = (context, _) =>
            {
                rejected++;
                context.HttpContext.Response.Headers["X-App"] = "was asked";
                return default;
            };
        });

        // All pass the app's limiter, and the first five pass the cluster's.
        Assert.Equal([200, 200, 200, 200, 200, 429, 429], await StatusesAsync("/search", 7));
        using var denied = await GetAsync("/search");
        Assert.Equal(("was asked", "application/problem+json"), (Header(denied, "X-App"), denied.Content.Headers.ContentType?.MediaType));
        Assert.Equal(3, rejected);

        // The app's limiter denies, with its own status and without our headers.
        using var appsDenial = await GetAsync("/search");
        Assert.Equal(503, (int)appsDenial.StatusCode);
        Assert.Equal("was asked", Header(appsDenial, "X-App"));
        Assert.False(appsDenial.Headers.Contains("RateLimit"));
        Assert.Equal("", await appsDenial.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task App_can_write_its_own_response_to_a_denial()
    {
        await SetAsync(KeyId, "search", 1);
        await StartAsync(limits => limits.AddPolicy("search").ClientIdFromHeader("X-Api-Key"), limiter =>
            limiter.OnRejected = async (context, token) => await context.HttpContext.Response.WriteAsync("Slow down.", token));
        Assert.Equal(200, await StatusAsync("/search"));
        using var denied = await GetAsync("/search");
        Assert.Equal((429, "Slow down."), ((int)denied.StatusCode, await denied.Content.ReadAsStringAsync()));
        Assert.NotEqual("", Header(denied, "Retry-After"));
    }

    [Fact]
    public async Task First_source_with_an_id_is_used_and_ids_of_different_sources_differ()
    {
        await SetAsync("user:" + _key, "search", 1);
        await SetAsync(KeyId, "search", 2);
        await SetAsync("address:127.0.0.1", "search", 3);
        await StartAsync(limits => limits.AddPolicy("search").ClientIdFromClaim("sub").ClientIdFromHeader("X-Api-Key").ClientIdFromAddress());
        Assert.Equal(1, await LimitAsync(key: _key, user: _key));
        Assert.Equal(2, await LimitAsync(key: _key, user: null));
        Assert.Equal(3, await LimitAsync(key: "  ", user: null));
        Assert.Equal(3, await LimitAsync(key: null, user: null));
    }

    [Fact]
    public async Task Denial_in_shadow_mode_passes_and_is_reported_on_request()
    {
        await _client.RateLimiter(KeyId).SetPolicyAsync(new() { Name = "search", Windows = [new(1, Long)], IsShadow = true });
        await StartAsync(limits => limits.AddPolicy("search").ClientIdFromHeader("X-Api-Key").ShowsShadowDenials = true);
        using var first = await GetAsync("/search");
        Assert.DoesNotContain("shadow", Header(first, "RateLimit"), StringComparison.Ordinal);
        using var second = await GetAsync("/search");
        Assert.Equal(200, (int)second.StatusCode);
        Assert.EndsWith(";actors-shadow-denial", Header(second, "RateLimit"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task App_that_denies_answers_503_without_a_silo()
    {
        await StartAsync(limits => limits.AddPolicy("search").ClientIdFromHeader("X-Api-Key").WhenUnreachable = WhenUnreachable.Deny);
        await _cluster.Silos.KillSiloAsync(_cluster.Silos.Silos[0]);
        using var denied = await GetAsync("/search");
        Assert.Equal((503, "1"), ((int)denied.StatusCode, Header(denied, "Retry-After")));
        Assert.Contains("temporary-reduced-capacity", await denied.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unknown_policy_is_logged_at_startup_and_answers_503_until_it_is_set()
    {
        await StartAsync(limits => limits.AddPolicy("search").AddPolicy("patient", maxWait: TimeSpan.FromSeconds(1)).ClientIdFromHeader("X-Api-Key"));
        await Eventually.IsTrueAsync(() => Task.FromResult(_errors.Lines.Count == 2));
        foreach (var policy in (string[])["search", "patient"])
        {
            var line = Assert.Single(_errors.Lines, line => line.StartsWith($"Endpoints limited by policy {policy} answer 503: ", StringComparison.Ordinal));
            Assert.Contains($"Set Actors:RateLimits:Policies:{policy}:Windows in the silos' configuration", line, StringComparison.Ordinal);
        }

        foreach (var path in (string[])["/search", "/heavy", "/patient"])
        {
            using var response = await GetAsync(path);
            Assert.Equal(("503", "10"), ($"{(int)response.StatusCode}", Header(response, "Retry-After")));
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
            Assert.Contains("The limits of this endpoint are not configured.", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        // Each error is logged once, however many requests fail.
        Assert.Equal(2, _errors.Lines.Count);

        await SetAsync(KeyId, "search", 2);
        Assert.Equal(200, await StatusAsync("/search"));

        // Three permits of a limit of two are never granted.
        Assert.Equal(503, await StatusAsync("/heavy"));
        Assert.Equal(200, await StatusAsync("/search"));
    }

    [Fact]
    public async Task Health_check_reports_whether_a_silo_answers()
    {
        await StartAsync(limits => limits.ClientIdFromHeader("X-Api-Key"));
        Assert.Equal(200, await StatusAsync("/health"));
        await _cluster.Silos.KillSiloAsync(_cluster.Silos.Silos[0]);
        var watch = Stopwatch.StartNew();
        Assert.Equal(503, await StatusAsync("/health"));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    private async Task StartAsync(Action<ActorsRateLimitingOptions> configure, Action<RateLimiterOptions>? configureLimiter = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddProvider(_errors);
        builder.Services.AddSingleton(_client);
        builder.Services.AddHealthChecks().AddActorsClientCheck();
        builder.Services.AddActorsRateLimiting(configure);
        builder.Services.AddActorsRateLimiting(limits => limits.CallTimeout = TimeSpan.FromSeconds(30));
        builder.Services.AddRateLimiter(limiter =>
        {
            limiter.AddFixedWindowLimiter("own", window => (window.PermitLimit, window.Window) = (2, Long));
            configureLimiter?.Invoke(limiter);
        });
        _app = builder.Build();
        _app.Use((context, next) =>
        {
            if (context.Request.Headers["X-User"].ToString() is { Length: > 0 } user)
                context.User = new(new ClaimsIdentity([new("sub", user)], authenticationType: "test"));
            return next(context);
        });
        _app.UseRateLimiter();
        _app.MapGet("/search", () => "found").RequireRateLimiting("search");
        _app.MapGet("/attribute", [EnableRateLimiting("search")] () => "found");
        _app.MapGet("/heavy", () => "found").RequireRateLimiting("search").WithRateLimitPermits(3);
        _app.MapGet("/patient", () => "done").RequireRateLimiting("patient");
        _app.MapGet("/own", () => "done").RequireRateLimiting("own");
        _app.MapGet("/free", [DisableRateLimiting] () => "done");
        _app.MapGet("/plain", () => "done");
        _app.MapHealthChecks("/health");
        await _app.StartAsync();
    }

    private string KeyId => ClientIds.OfApiKey(_key);

    private Task SetAsync(string client, string policy, int limit) =>
        _client.RateLimiter(client).SetPolicyAsync(new() { Name = policy, Windows = [new(limit, Long)] });

    private Task<HttpResponseMessage> GetAsync(string path) => GetAsync(path, _key, user: null);

    private async Task<HttpResponseMessage> GetAsync(string path, string? key, string? user)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, _app!.Urls.First() + path);
        if (key is not null) request.Headers.TryAddWithoutValidation("X-Api-Key", key);
        if (user is not null) request.Headers.Add("X-User", user);
        return await _http.SendAsync(request);
    }

    private Task<int> StatusAsync(string path) => StatusAsync(path, _key);

    private async Task<int> StatusAsync(string path, string? key)
    {
        using var response = await GetAsync(path, key, user: null);
        return (int)response.StatusCode;
    }

    private async Task<List<int>> StatusesAsync(string path, int count)
    {
        var statuses = new List<int>();
        for (var i = 0; i < count; i++) statuses.Add(await StatusAsync(path));
        return statuses;
    }

    private async Task<int> LimitAsync(string? key, string? user)
    {
        using var response = await GetAsync("/search", key, user);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return int.Parse(Header(response, "RateLimit-Policy").Split(";q=")[1].Split(';')[0], CultureInfo.InvariantCulture);
    }

    private static string Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : "";

    /// <summary>Keeps the errors that our types log.</summary>
    private sealed class ErrorLines : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) =>
            categoryName.StartsWith("Actors.", StringComparison.Ordinal) ? this : NullLogger.Instance;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) Lines.Enqueue(formatter(state, exception));
        }

        public void Dispose()
        {
        }
    }
}
