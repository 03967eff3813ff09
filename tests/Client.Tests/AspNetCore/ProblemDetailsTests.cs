using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Actors.Client.Tests.AspNetCore;

/// <summary>The responses of a web app when a call to the cluster fails.</summary>
public sealed class ProblemDetailsTests
{
    private const string Secret = "10.0.0.7";

    private static readonly HttpClient Http = new();

    private static readonly (Exception Error, int Status)[] Expected =
    [
        (new InvalidUserException("The user id ' ' is blank."), 400),
        (new InvalidRateLimitException("Permits is 0."), 400),
        (new SiloNotFoundException("There is no silo x."), 404),
        (new VersionConflictException("ada", 1, 7), 409),
        (new WriteParkedException("ada", 7, $"constraint on {Secret}"), 409),
        (new OverloadedException($"{Secret} is full.", TimeSpan.FromSeconds(2.5)), 429),
        (new StorageUnavailableException("Redis", $"Redis at {Secret} is away."), 503),
        (new UnexpectedErrorException($"UpdateAsync of user/{Secret} failed."), 503),
        (new LimiterMovedException("It moves."), 503),
        (new SiloEvictedException($"{Secret} was declared dead."), 503),
        (new ClusterUnreachableException($"Redis at {Secret} does not answer.") { MayHaveTakenEffect = true }, 503),
        (new ClusterNotFoundException("ConnectionStrings:redis is not set."), 503),
    ];

    public static TheoryData<string, string, bool> Cases
    {
        get
        {
            var cases = new TheoryData<string, string, bool>();
            foreach (var (error, _) in Expected) cases.Add(error.GetType().Name, "Production", false);
            foreach (var error in (string[])[nameof(InvalidUserException), nameof(StorageUnavailableException)])
            {
                cases.Add(error, "Production", true);
                cases.Add(error, "Development", false);
                cases.Add(error, "Development", true);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Cluster_error_has_a_status_and_problem_details(string type, string environment, bool usesHandler)
    {
        var (error, status) = Expected.Single(each => each.Error.GetType().Name == type);
        var log = new ErrorLog();
        await using var app = await StartAsync(error, environment, log, usesHandler);
        using var response = await Http.GetAsync(new Uri(app.Urls.First()));
        var body = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == status, $"{(int)response.StatusCode} {body}");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(body);
        Assert.Equal(status, problem.RootElement.GetProperty("status").GetInt32());
        Assert.NotEqual("", problem.RootElement.GetProperty("detail").GetString());

        // Messages of caller errors are shown; internal messages are not.
        if (status is 400 or 404) Assert.Equal(error.Message, problem.RootElement.GetProperty("detail").GetString());
        Assert.DoesNotContain(Secret, body, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", body, StringComparison.Ordinal);

        Assert.Equal(status is 429 or 503, response.Headers.RetryAfter is not null);

        // The developer exception page logs every exception it catches.
        if (environment == "Production" || usesHandler) Assert.Equal(status == 503 ? [error] : [], log.Warnings);
    }

    [Fact]
    public async Task Response_has_the_details_that_the_caller_needs()
    {
        Assert.Equal(7, (await ProblemAsync(new VersionConflictException("ada", 1, 7))).Problem.GetProperty("currentVersion").GetInt32());
        Assert.Equal(7, (await ProblemAsync(new WriteParkedException("ada", 7, "no"))).Problem.GetProperty("version").GetInt32());
        Assert.Equal(TimeSpan.FromSeconds(3), (await ProblemAsync(new OverloadedException("full", TimeSpan.FromSeconds(2.5)))).RetryAfter);
        foreach (var may in (bool[])[true, false])
        {
            foreach (var error in (Exception[])[
                new ClusterUnreachableException("gone") { MayHaveTakenEffect = may }, new StorageUnavailableException("Redis", "away") { MayHaveTakenEffect = may },
                new UnexpectedErrorException("a defect") { MayHaveTakenEffect = may }])
            {
                var (problem, _) = await ProblemAsync(error);
                Assert.Equal(may, problem.GetProperty("mayHaveTakenEffect").GetBoolean());
            }
        }
    }

    [Fact]
    public void Every_contract_error_is_covered_here()
    {
        var known = Expected.Select(each => each.Error.GetType()).ToHashSet();
        var errors = new[] { typeof(ActorsException).Assembly, typeof(ActorsClient).Assembly }
            .SelectMany(assembly => assembly.GetExportedTypes()).Where(type => type.IsAssignableTo(typeof(Exception)) && !type.IsAbstract);
        Assert.Empty(errors.Where(type => !known.Contains(type)).Select(type => type.Name));
    }

    [Fact]
    public async Task Other_errors_are_left_to_the_app()
    {
        var log = new ErrorLog();
        await using var app = await StartAsync(new InvalidOperationException("a defect of the app"), "Production", log);
        using var response = await Http.GetAsync(new Uri(app.Urls.First()));
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.IsType<InvalidOperationException>(Assert.Single(log.Warnings));
    }

    private static async Task<(JsonElement Problem, TimeSpan? RetryAfter)> ProblemAsync(Exception error)
    {
        await using var app = await StartAsync(error, "Production", new());
        using var response = await Http.GetAsync(new Uri(app.Urls.First()));
        using var problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return (problem.RootElement.Clone(), response.Headers.RetryAfter?.Delta);
    }

    private static async Task<WebApplication> StartAsync(Exception error, string environment, ErrorLog log, bool usesHandler = false)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = environment });
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders().AddProvider(log).SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddActorsProblemDetails();
        var app = builder.Build();
        if (usesHandler) app.UseExceptionHandler();
        app.MapGet("/", IResult () => throw error);
        await app.StartAsync();
        return app;
    }

    /// <summary>Keeps the logged exceptions.</summary>
    private sealed class ErrorLog : ILoggerProvider, ILogger
    {
        private readonly List<Exception> _warnings = [];

        public IReadOnlyList<Exception> Warnings
        {
            get
            {
                lock (_warnings) return [.. _warnings];
            }
        }

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (exception is null) return;
            lock (_warnings) _warnings.Add(exception);
        }

        public void Dispose()
        {
        }
    }
}
