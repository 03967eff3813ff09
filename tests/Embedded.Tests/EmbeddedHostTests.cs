using System.Net;
using System.Text.Json;
using Actors.Fixtures;
using Actors.WriteBehind;
using StackExchange.Redis;

namespace Actors.Embedded.Tests;

public sealed class EmbeddedHostTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new("embedded");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string AddressFile => _directory.File("embedded.json");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task First_process_hosts_and_publishes_its_address_and_the_second_joins()
    {
        await using var first = await StartAsync();
        await using var second = await StartAsync();

        Assert.True(first.IsHost);
        Assert.False(second.IsHost);
        Assert.Equal(first.RedisConnectionString, second.RedisConnectionString);
        Assert.Equal(_directory.File("actors.db"), first.DatabasePath);
        Assert.Equal(first.DatabasePath, second.DatabasePath);
        Assert.Equal(Environment.ProcessId, second.HostProcessId);

        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(AddressFile, Token));
        Assert.Equal(["pid", "redis", "database"], json.RootElement.EnumerateObject().Select(property => property.Name));
        Assert.Equal(Environment.ProcessId, json.RootElement.GetProperty("pid").GetInt32());
        Assert.Equal(first.RedisConnectionString, json.RootElement.GetProperty("redis").GetString());
        Assert.Equal(first.DatabasePath, json.RootElement.GetProperty("database").GetString());
        await AssertServesAsync(second);
    }

    [Fact]
    public async Task Exactly_one_of_several_concurrent_starts_hosts()
    {
        var hosts = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Task.Run(StartAsync)));

        Assert.Single(hosts, host => host.IsHost);
        Assert.Single(hosts.Select(host => host.RedisConnectionString).Distinct());
        foreach (var host in hosts)
            await host.DisposeAsync();
    }

    [Fact]
    public async Task Concurrent_hosts_of_different_directories_take_different_ports()
    {
        var hosts = await Task.WhenAll(Enumerable.Range(0, 4).Select(index => Task.Run(() => EmbeddedHost.StartOrJoinAsync(
            _directory.File($"host-{index}"), null, Token))));

        Assert.Distinct(hosts.Select(host => host.RedisConnectionString));
        foreach (var host in hosts)
            await host.DisposeAsync();
    }

    [Fact]
    public async Task Joined_process_stops_nothing_of_the_host()
    {
        await using var first = await StartAsync();
        var second = await StartAsync();

        await second.DisposeAsync();

        Assert.True(File.Exists(AddressFile));
        await AssertServesAsync(first);
    }

    [Fact]
    public async Task Next_host_uses_the_data_of_a_stopped_host()
    {
        await using (var first = await StartAsync())
        {
            await using var client = await ConnectionMultiplexer.ConnectAsync(first.RedisConnectionString!);
            await client.GetDatabase().StringSetAsync("k", "kept");
        }

        Assert.False(File.Exists(AddressFile));
        await using var next = await StartAsync();
        Assert.True(next.IsHost);
        await using var reader = await ConnectionMultiplexer.ConnectAsync(next.RedisConnectionString!);
        Assert.Equal("kept", await reader.GetDatabase().StringGetAsync("k"));
    }

    [Fact]
    public async Task Next_host_takes_over_the_data_and_port_of_a_killed_host()
    {
        // A killed host releases the lock but leaves its address file; its silos look for Redis at the old port.
        var port = FreePorts.Next();
        await File.WriteAllTextAsync(AddressFile, $$"""{"pid":1,"redis":"127.0.0.1:{{port}}","database":"/gone/actors.db"}""", Token);

        await using var host = await StartAsync();

        Assert.True(host.IsHost);
        Assert.Equal($"127.0.0.1:{port}", host.RedisConnectionString);
        Assert.Equal(_directory.File("actors.db"), host.DatabasePath);
    }

    [Fact]
    public async Task Corrupt_address_file_is_replaced()
    {
        await File.WriteAllTextAsync(AddressFile, "{ not json", Token);

        await using var host = await StartAsync();
        await using var second = await StartAsync();

        Assert.True(host.IsHost);
        Assert.Equal(host.RedisConnectionString, second.RedisConnectionString);
    }

    [Theory]
    [InlineData(EmbeddedParts.Redis)]
    [InlineData(EmbeddedParts.Database)]
    public async Task Each_part_can_be_embedded_alone(EmbeddedParts parts)
    {
        await using var first = await EmbeddedHost.StartOrJoinAsync(_directory.Path, parts, acceptDataLoss: false, null, Token);
        await using var second = await EmbeddedHost.StartOrJoinAsync(_directory.Path, parts, acceptDataLoss: false, null, Token);

        foreach (var host in (EmbeddedHost[])[first, second])
        {
            Assert.Equal(parts == EmbeddedParts.Redis, host.RedisConnectionString is not null);
            Assert.Equal(parts == EmbeddedParts.Database, host.DatabasePath is not null);
        }

        Assert.False(second.IsHost);
    }

    [Fact]
    public async Task Silo_that_embeds_other_parts_than_the_host_gets_an_error()
    {
        await using var host = await StartAsync();

        var error = await Assert.ThrowsAsync<InvalidOperationException>(
            () => EmbeddedHost.StartOrJoinAsync(_directory.Path, EmbeddedParts.Redis, acceptDataLoss: false, null, Token));

        Assert.Contains("ConnectionStrings", error.Message, StringComparison.Ordinal);
        Assert.Contains(_directory.Path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hosts_of_different_directories_take_different_ports()
    {
        using var elsewhere = new TemporaryDirectory("embedded");
        await using var first = await StartAsync();
        await using var other = await EmbeddedHost.StartOrJoinAsync(elsewhere.Path, null, Token);

        Assert.True(other.IsHost);
        Assert.NotEqual(first.RedisConnectionString, other.RedisConnectionString);
        Assert.True(IPEndPoint.Parse(other.RedisConnectionString!).Port >= EmbeddedHost.DefaultRedisPort);
    }

    private static async Task AssertServesAsync(EmbeddedHost host)
    {
        await using var client = await ConnectionMultiplexer.ConnectAsync(host.RedisConnectionString!);
        Assert.True(await client.GetDatabase().PingAsync() > TimeSpan.Zero);
        await using var store = new SqliteRowStore(host.DatabasePath!);
        await store.MigrateAsync(Token);
        Assert.Null(await store.ReadAsync("nobody", Token));
    }

    private Task<EmbeddedHost> StartAsync() => EmbeddedHost.StartOrJoinAsync(_directory.Path, null, Token);
}
