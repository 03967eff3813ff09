using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Actors.Client.Tests.Gateways;

public sealed class RememberedGatewaysTests : IDisposable
{
    private static readonly IPEndPoint[] Two = [new(IPAddress.Parse("10.0.0.7"), 30000), new(IPAddress.IPv6Loopback, 30001)];

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("actors-state-");

    private string State => Path.Combine(_root.FullName, "actors");

    public void Dispose() => _root.Delete(recursive: true);

    [Fact]
    public void Remembered_gateways_are_used_for_the_same_cluster_only()
    {
        Of().Save(Two);
        Assert.Equal(Two, Of().Load());
        Assert.Empty(Of(client => client.ClusterId = "another").Load());
        Assert.Empty(Of(client => client.ServiceId = "another").Load());
        Assert.Empty(Of(client => client.Redis = "another:6379").Load());

        Of().Save(Two[..1]);
        Assert.Equal(Two[..1], Of().Load());
    }

    [Fact]
    public void File_is_readable_by_its_user_only_and_holds_no_secret()
    {
        Of(client => client.Redis = "redis-1:6379,user=me,password=secret").Save(Two);
        var file = Assert.Single(Directory.GetFiles(State));
        Assert.Equal("""{"Gateways":["10.0.0.7:30000","[::1]:30001"]}""", File.ReadAllText(file));
        if (OperatingSystem.IsWindows()) return;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(State));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[1,2]")]
    [InlineData("""{"Gateways":null}""")]
    [InlineData("""{"Gateways":{"a":1}}""")]
    [InlineData("""{"Gateways":[null,"","x","10.0.0.7","10.0.0.7:99999"]}""")]
    public void Damaged_file_is_ignored_and_replaced(string content)
    {
        Of().Save(Two);
        File.WriteAllText(Assert.Single(Directory.GetFiles(State)), content);
        Assert.Empty(Of().Load());
        Of().Save(Two);
        Assert.Equal(Two, Of().Load());
    }

    [Fact]
    public void Remembered_gateways_are_bounded_in_number_and_in_bytes()
    {
        var many = Enumerable.Range(1, 1000).Select(port => new IPEndPoint(IPAddress.Loopback, port)).ToArray();
        Of().Save(many);
        Assert.Equal(100, Of().Load().Count);

        File.WriteAllText(Assert.Single(Directory.GetFiles(State)), """{"Gateways":["10.0.0.7:30000"]}""" + new string(' ', 20_000));
        Assert.Empty(Of().Load());

        for (var i = 0; i < 50; i++) Of(client => client.ClusterId = $"{i}").Save(Two);
        Assert.InRange(Directory.GetFiles(State).Length, 1, 32);
    }

    [Fact]
    public void No_file_is_kept_if_disabled_or_not_writable()
    {
        Of(client => client.RememberGateways = false).Save(Two);
        Assert.False(Directory.Exists(State));

        // A file in place of the directory.
        File.WriteAllText(State, "");
        Of().Save(Two);
        Assert.Empty(Of().Load());
    }

    private RememberedGateways Of(Action<ActorsClientOptions>? configure = null)
    {
        var client = new ActorsClientOptions { Redis = "redis-1:6379", StateDirectory = State };
        configure?.Invoke(client);
        return new(Options.Create(client), ClusterLocation.Find(client, null), NullLogger<RememberedGateways>.Instance);
    }
}
