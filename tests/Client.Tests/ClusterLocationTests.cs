using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Actors.Client.Tests;

public sealed class ClusterLocationTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("actors-client-");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void Option_overrides_configuration_and_configuration_overrides_the_embedded_silo()
    {
        WriteEmbedded(_root.FullName, """{"pid":1,"redis":"127.0.0.1:3333","database":"/data/actors.db"}""");
        var configuration = Configured("configured:2222");

        Assert.Equal("explicit:1111", Find(new() { Redis = "explicit:1111" }, configuration).Address);
        Assert.Equal("configured:2222", Find(new(), configuration).Address);
        Assert.Equal("127.0.0.1:3333", Find(new(), Configured(null)).Address);
        Assert.Equal("127.0.0.1:3333", Find(new(), null).Address);
    }

    [Fact]
    public void Gateways_override_the_embedded_silo_and_can_be_combined_with_Redis()
    {
        WriteEmbedded(_root.FullName, """{"pid":1,"redis":"127.0.0.1:3333","database":"/data/actors.db"}""");
        Assert.Null(Find(new() { Gateways = ["silo-1:30000"] }, Configured(null)).Redis);
        Assert.Equal("configured:2222", Find(new() { Gateways = ["silo-1:30000"] }, Configured("configured:2222")).Address);
    }

    [Fact]
    public void Nearest_embedded_silo_in_parent_directories_is_used()
    {
        var below = _root.CreateSubdirectory("a").CreateSubdirectory("b");
        WriteEmbedded(_root.FullName, """{"pid":1,"redis":"127.0.0.1:1111","database":"/one.db"}""");
        Assert.Equal("127.0.0.1:1111", EmbeddedSilo.Find(below.FullName)!.Redis);

        WriteEmbedded(below.Parent!.FullName, """{"pid":2,"redis":"127.0.0.1:2222","database":"/two.db"}""");
        var nearest = EmbeddedSilo.Find(below.FullName)!;
        Assert.Equal(("127.0.0.1:2222", "/two.db", 2), (nearest.Redis, nearest.Database, nearest.ProcessId));
    }

    [Fact]
    public void Error_without_a_cluster_lists_the_searched_places_and_the_fix()
    {
        var error = Assert.Throws<ClusterNotFoundException>(() => Find(new(), Configured(" ")));
        Assert.Contains("ConnectionStrings:redis", error.Message, StringComparison.Ordinal);
        Assert.Contains(_root.FullName, error.Message, StringComparison.Ordinal);
        Assert.Contains("dotnet run --project Silo", error.Message, StringComparison.Ordinal);
        Assert.Contains("ConnectionStrings__redis", error.Message, StringComparison.Ordinal);
        Assert.Contains("Actors:Client:Gateways", error.Message, StringComparison.Ordinal);
        Assert.Contains("--gateway host:port", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("redis://user:secret@host:6379")]
    [InlineData("secret@host:6379")]
    [InlineData("localhost,password=x,secret=y")]
    [InlineData("password=secret")]
    [InlineData("localhost,password=x,secret")]
    [InlineData("host:6380:secret")]
    public void Invalid_connection_string_is_rejected_without_being_shown(string connectionString)
    {
        var error = Assert.Throws<OptionsValidationException>(() => Find(new() { Redis = connectionString }, null));
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
        Assert.Contains("host:port", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Address_shows_no_password()
    {
        var location = Find(new() { Redis = "one,two:7000,[::1]:7001,user=me,password=secret" }, null);
        Assert.Equal("one:6379, two:7000, [::1]:7001", location.Address);
        Assert.Equal("secret", location.Redis!.Password);
    }

    [Fact]
    public void Redis_connection_times_out_in_seconds_by_default()
    {
        var usual = Find(new() { Redis = "host:1,abortConnect=false" }, null).Redis!;
        Assert.Equal((true, 5_000, 1), (usual.AbortOnConnectFail, usual.ConnectTimeout, usual.ConnectRetry));

        var own = Find(new() { Redis = "host:1, ConnectTimeout = 700,connectRetry=4" }, null).Redis!;
        Assert.Equal((700, 4), (own.ConnectTimeout, own.ConnectRetry));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("""{"pid":1,"redis":"","database":"/x"}""")]
    [InlineData("""{"pid":1}""")]
    [InlineData("null")]
    public void Corrupt_embedded_file_is_named(string content)
    {
        WriteEmbedded(_root.FullName, content);
        var error = Assert.Throws<InvalidDataException>(() => EmbeddedSilo.Find(_root.FullName));
        Assert.Contains(EmbeddedSilo.FileName, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Exited_process_is_not_running()
    {
        var silo = new EmbeddedSilo { ProcessId = Environment.ProcessId, Redis = "x", Database = "y" };
        Assert.True(silo.IsRunning());
        Assert.False((silo with { ProcessId = int.MaxValue }).IsRunning());
    }

    private ClusterLocation Find(ActorsClientOptions options, IConfiguration? configuration)
    {
        options.SearchDirectory = _root.FullName;
        return ClusterLocation.Find(options, configuration);
    }

    private static IConfiguration Configured(string? redis) => new ConfigurationBuilder()
        .AddInMemoryCollection([new("ConnectionStrings:redis", redis)]).Build();

    private static void WriteEmbedded(string directory, string content)
    {
        Directory.CreateDirectory(Path.Combine(directory, ".actors"));
        File.WriteAllText(Path.Combine(directory, EmbeddedSilo.FileName), content);
    }
}
