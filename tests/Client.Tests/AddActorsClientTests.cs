using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Configuration;

namespace Actors.Client.Tests;

public sealed class AddActorsClientTests
{
    [Fact]
    public void Options_come_from_configuration_and_are_overridden_by_code()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection(
        [
            new("Actors:Client:Redis", "localhost:1"), new("Actors:Client:ClusterId", "configured"),
            new("Actors:Client:ServiceId", "configured"),
            new("Actors:Client:ResponseTimeout", "00:00:07"),
        ]);
        builder.AddActorsClient(options => options.ServiceId = "coded").AddActorsClient();
        using var host = builder.Build();

        var cluster = host.Services.GetRequiredService<IOptions<ClusterOptions>>().Value;
        Assert.Equal(("configured", "coded"), (cluster.ClusterId, cluster.ServiceId));
        Assert.Equal(TimeSpan.FromSeconds(7), host.Services.GetRequiredService<IOptions<ClientMessagingOptions>>().Value.ResponseTimeout);
        Assert.Single(host.Services.GetServices<ActorsClient>());
    }

    [Theory]
    [InlineData("MaxAttempts", "0", "use 1 to 100")]
    [InlineData("FirstPause", "00:02:00", "use 00:00:00.0010000 to 00:01:00")]
    [InlineData("AttemptTimeout", "00:00:00", "use 00:00:00.1000000 to 01:00:00")]
    [InlineData("ResponseTimeout", "-00:00:01", "use 00:00:00.1000000 to 01:00:00")]
    [InlineData("ConnectTimeout", "1.00:00:00", "use 00:00:00 to 01:00:00")]
    public void Out_of_range_options_are_reported_before_connecting(string option, string value, string allowed)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection([new("Actors:Client:Redis", "localhost:1"), new($"Actors:Client:{option}", value)]);
        builder.AddActorsClient();
        var error = Assert.Throws<OptionsValidationException>(() => builder.Build().Start());
        Assert.StartsWith($"Actors:Client:{option} is ", error.Message, StringComparison.Ordinal);
        Assert.Contains(allowed, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Actors:Client:Gateways:1", "silo-1", "'silo-1'")]
    [InlineData("Actors:Client:Gateways:1", "::1:30000", "'::1:30000'")]
    [InlineData("Actors:Client:Gateways:1", "a:1,password=secret", "a connection string or URL (not shown)")]
    public void Invalid_gateway_is_reported_before_connecting(string key, string value, string shown)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection([new("Actors:Client:Gateways:0", "[::1]:30000"), new(key, value)]);
        builder.AddActorsClient();
        var error = Assert.Throws<OptionsValidationException>(() => builder.Build().Start());
        Assert.StartsWith($"{key} is {shown}; use host:port", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Gateways_may_be_one_comma_separated_value()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection([new("Actors:Client:Gateways", "silo-1:30000, [::1]:30001")]);
        builder.AddActorsClient();
        using var host = builder.Build();
        Assert.Equal(["silo-1:30000", "[::1]:30001"], host.Services.GetRequiredService<IOptions<ActorsClientOptions>>().Value.Gateways);
    }

    [Fact]
    public void References_can_be_created_before_the_client_connects()
    {
        using var host = new HostBuilder().AddActorsClient(options => options.Redis = "localhost:1").Build();
        var client = host.Services.GetRequiredService<ActorsClient>();
        Assert.Equal("user/ada", client.User("ada").GetGrainId().ToString());
        Assert.Equal("rate-limiter/ada", client.RateLimiter("ada").GetGrainId().ToString());
        Assert.Equal("redis-breaker/a:1@2", client.RedisBreaker("a:1@2").GetGrainId().ToString());
        Assert.Equal("cluster/cluster", client.Cluster.GetGrainId().ToString());
        Assert.Equal("write-behind/write-behind", client.WriteBehind.GetGrainId().ToString());
    }

    [Fact]
    public void Id_is_validated_before_any_call()
    {
        using var host = new HostBuilder().AddActorsClient(options => options.Redis = "localhost:1").Build();
        var client = host.Services.GetRequiredService<ActorsClient>();

        foreach (var id in (string[])["", " ", "\n", "\u2003", "a\0b", "\ud800", "\udc00a", new('x', 513), new('é', 257)])
        {
            var error = Assert.Throws<InvalidUserException>(() => client.User(id));
            Assert.Contains("1 to 512 bytes", error.Message, StringComparison.Ordinal);
            Assert.InRange(error.Message.Length, 1, 300);
            Assert.Contains("1 to 512 bytes", Assert.Throws<InvalidRateLimitException>(() => client.RateLimiter(id)).Message, StringComparison.Ordinal);
        }

        Assert.All((string[])["", " "], silo => Assert.Throws<SiloNotFoundException>(() => client.RedisBreaker(silo)));
        foreach (var id in (string[])["a", new('é', 256), "{a}*?[\ud83d\ude00] b"])
            UserLimits.ValidateId(id);
    }

    [Fact]
    public async Task Rate_limiting_and_health_check_without_a_client_explain_how_to_add_it()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddActorsRateLimiting(limits => limits.AddPolicy("search"));
        builder.Services.AddHealthChecks().AddActorsClientCheck();
        await using var app = builder.Build();
        var atStart = await Assert.ThrowsAsync<OptionsValidationException>(() => app.StartAsync());
        Assert.Contains("call builder.AddActorsClient() as well", atStart.Message, StringComparison.Ordinal);
        var check = app.Services.GetRequiredService<IOptions<HealthCheckServiceOptions>>().Value.Registrations.Single();
        var atCheck = Assert.Throws<InvalidOperationException>(() => check.Factory(app.Services));
        Assert.Contains("call builder.AddActorsClient() as well", atCheck.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_fails_with_a_message_if_no_cluster_is_configured()
    {
        var nowhere = Directory.CreateTempSubdirectory("actors-client-");
        try
        {
            var services = new ServiceCollection().AddLogging();
            services.AddActorsClient(options => options.SearchDirectory = nowhere.FullName);
            await using var provider = services.BuildServiceProvider();
            var error = Assert.Throws<ClusterNotFoundException>(() => provider.GetServices<IHostedService>().ToArray());
            Assert.Equal(error.Message, error.ToString());
        }
        finally
        {
            nowhere.Delete();
        }
    }

    [Fact]
    public async Task Unreachable_Redis_fails_the_start_in_time_with_its_address()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Logging.ClearProviders();
        builder.AddActorsClient(options =>
        {
            options.Redis = "127.0.0.1:1,password=secret,connectTimeout=300";
            options.ConnectTimeout = TimeSpan.Zero;
        });
        using var host = builder.Build();

        var error = await Assert.ThrowsAsync<ClusterUnreachableException>(() => host.StartAsync());
        Assert.Contains("127.0.0.1:1", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", $"{error}{error.InnerException}", StringComparison.Ordinal);
        Assert.Equal(error.Message, error.ToString());
    }
}
