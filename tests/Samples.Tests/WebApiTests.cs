using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Actors.Samples.Tests;

/// <summary>
/// The sample web API as clients see it, over real silos and servers, under the load of a real HTTP tool. Each test has its
/// own keys and leaves the deployment unchanged.
/// </summary>
[Collection(Alone)]
public sealed class WebApiTests(WebApiTests.Shared shared, ITestOutputHelper output) : IClassFixture<WebApiTests.Shared>
{
    /// <summary>The collection of tests that cannot share the machine because they depend on response times.</summary>
    public const string Alone = "alone";

    private const int PerSecond = 250;
    private const int PerHour = 500;

    // The time that an app may need to respond on a busy machine; far less than an outage lasts.
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(5);

    private readonly string _key = shared.NextKey();

    [Fact]
    public async Task Window_grants_exactly_its_limit_across_two_apps_and_reports_remaining_permits()
    {
        var loads = await Task.WhenAll(shared.Allowing.LoadAsync(_key, seconds: 5), shared.Denying.LoadAsync(_key, seconds: 5));
        Report(loads);
        Assert.Equal(PerHour, loads.Sum(load => load.Allowed));
        Assert.All(loads, load =>
        {
            Assert.True(load.Denied > 0);
            Assert.Equal((0, 0, 0, 0), (load.Unavailable, load.Other, load.WithoutRetryAfter, load.WithoutRateLimit));
        });

        // Another client has its full limit.
        using var other = await shared.Allowing.GetAsync("/search/deep", shared.NextKey());
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        Assert.Equal($"\"search.1s\";q={PerSecond};w=1, \"search.1h\";q={PerHour};w=3600", Header(other, "RateLimit-Policy"));
        Assert.Equal($"\"search.1s\";r={PerSecond - 5};t=1", Header(other, "RateLimit"));
    }

    [Fact]
    public async Task Denial_is_429_with_Retry_After_in_whole_seconds_and_problem_details()
    {
        await DrainAsync();
        using var denied = await shared.Allowing.GetAsync("/search", _key);
        Assert.Equal(HttpStatusCode.TooManyRequests, denied.StatusCode);
        var retryAfter = int.Parse(Header(denied, "Retry-After"), CultureInfo.InvariantCulture);
        Assert.InRange(retryAfter, 3000, 3600);
        Assert.Equal($"\"search.1h\";r=0;t={retryAfter}", Header(denied, "RateLimit"));

        Assert.Equal("application/problem+json", denied.Content.Headers.ContentType?.MediaType);
        using var problem = JsonDocument.Parse(await denied.Content.ReadAsStringAsync());
        Assert.Equal("https://iana.org/assignments/http-problem-types#quota-exceeded", problem.RootElement.GetProperty("type").GetString());
        Assert.Equal(429, problem.RootElement.GetProperty("status").GetInt32());
        Assert.Equal("search.1h", problem.RootElement.GetProperty("violated-policies")[0].GetString());

        // Not limited for any client.
        using var free = await shared.Allowing.GetAsync("/health", _key);
        Assert.Equal(HttpStatusCode.NoContent, free.StatusCode);
        Assert.False(free.Headers.Contains("RateLimit"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10_000)]
    public async Task Any_client_key_is_answered_and_limited(int length)
    {
        foreach (var key in (string[])[new('k', length), new string('é', length), "{a}*?[" + new string(' ', length) + "]"])
        {
            using var response = await shared.Allowing.GetAsync("/search", key);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.True(response.Headers.Contains("RateLimit"));
        }
    }

    [Fact]
    public async Task Requests_are_answered_and_limited_after_Redis_is_killed()
    {
        var load = shared.Allowing.LoadAsync(_key, seconds: 6);
        await Task.Delay(TimeSpan.FromSeconds(1));
        await shared.Deployment.Redis.KillAsync();
        try
        {
            var answers = await load;
            Report(answers);
            Assert.InRange(answers.Allowed, PerSecond + 1, PerHour);
            Assert.True(answers.Denied > 0);
            Assert.Equal((0, 0, 0), (answers.Unavailable, answers.Other, answers.WithoutRetryAfter));
            Assert.InRange(answers.Longest, 0, Quick.TotalMilliseconds);

            // The outage lasts, and the client has no permit left.
            var watch = Stopwatch.StartNew();
            using var denied = await shared.Allowing.GetAsync("/search", _key);
            Assert.Equal(HttpStatusCode.TooManyRequests, denied.StatusCode);
            Assert.InRange(watch.Elapsed, TimeSpan.Zero, Quick);
        }
        finally
        {
            await shared.Deployment.Redis.StartAsync();
        }
    }

    [Fact]
    public async Task Apps_follow_their_outage_setting_without_a_silo_and_limit_again_after_its_return()
    {
        var loads = Task.WhenAll(shared.Allowing.LoadAsync(_key, seconds: 8), shared.Denying.LoadAsync(_key, seconds: 8));
        await Task.Delay(TimeSpan.FromSeconds(2));
        await shared.Deployment.Silo(0).KillAsync();
        var answers = await loads;
        Report(answers);

        // No call waited much longer than the call timeout, and only few waited at all: if all had, each of the 64 connections
        // would have had one response per second.
        const int IfAllWaited = 64 * 8;
        Assert.All(answers, load => Assert.InRange(load.Longest, 0, Quick.TotalMilliseconds));
        Assert.Equal((0, 0), (answers[0].Unavailable, answers[0].Other));
        Assert.True(answers[0].Allowed > PerHour + (2 * IfAllWaited), $"Only {answers[0].Allowed} were allowed.");
        Assert.Equal((0, 0), (answers[1].Other, answers[1].WithoutRetryAfter));
        Assert.InRange(answers[1].Allowed, 0, PerHour);
        Assert.True(answers[1].Unavailable > 2 * IfAllWaited, $"Only {answers[1].Unavailable} were refused.");

        using var denied = await shared.Denying.GetAsync("/search", _key);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, denied.StatusCode);
        Assert.Contains("temporary-reduced-capacity", await denied.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        await shared.Deployment.RestartSiloAsync(0);
        var later = shared.NextKey();
        await Eventually.IsTrueAsync(async () =>
        {
            using var response = await shared.Allowing.GetAsync("/search", later);
            return response.Headers.Contains("RateLimit");
        });
    }

    private async Task DrainAsync()
    {
        // The permits of an hour last for more than a second.
        var load = await shared.Allowing.LoadAsync(_key, seconds: 5);
        Report(load);
        Assert.Equal(PerHour, load.Allowed);
    }

    private static string Header(HttpResponseMessage response, string name) => string.Join(", ", response.Headers.GetValues(name));

    private void Report(params HttpLoad[] loads)
    {
        foreach (var load in loads) output.WriteLine(load.ToString());
    }

    /// <summary>A silo, Redis, PostgreSQL, and two sample apps: without the silo one allows and one denies.</summary>
    public sealed class Shared : IAsyncLifetime
    {
        public Deployment Deployment { get; private set; } = null!;

        public WebApiProcess Allowing { get; private set; } = null!;

        public WebApiProcess Denying { get; private set; } = null!;

        // The keys of the sample; each is used once.
        private readonly Queue<string> _keys = new(Enumerable.Range(0, 40).Select(_ => Guid.NewGuid().ToString("n")));

        /// <summary>A known key that no other test uses.</summary>
        public string NextKey() => _keys.Dequeue();

        public async ValueTask InitializeAsync()
        {
            const string Windows = "Actors__RateLimits__Policies__search__Windows__";
            Deployment = await Deployment.StartAsync(silos: 1, new(Settings: new Dictionary<string, string>
            {
                [Windows + "0__Limit"] = $"{PerSecond}",
                [Windows + "0__Duration"] = "00:00:01",
                [Windows + "1__Limit"] = $"{PerHour}",
                [Windows + "1__Duration"] = "01:00:00",
            }));
            string[] keys = [.. _keys.SelectMany((key, i) => new[] { $"--ApiKeys:{i}", key })];
            Allowing = await WebApiProcess.StartAsync(Deployment, keys);
            Denying = await WebApiProcess.StartAsync(Deployment, ["--RateLimiting:WhenUnreachable", "Deny", .. keys]);
        }

        public async ValueTask DisposeAsync()
        {
            Allowing?.Dispose();
            Denying?.Dispose();
            if (Deployment is not null) await Deployment.DisposeAsync();
        }
    }
}
