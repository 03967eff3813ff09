using Actors.Client.Tests.Repetition;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.TestingHost;

namespace Actors.Client.Tests;

/// <summary>References to users and limiters are the same as those that Orleans makes. Uses a real client and a real silo.</summary>
public sealed class GrainReferencesTests
{
    [Fact]
    public async Task References_equal_those_of_Orleans_before_and_after_the_first()
    {
        var builder = new InProcessTestClusterBuilder(1);
        await using var cluster = builder.Build();
        await cluster.DeployAsync();
        var client = new ActorsClient(cluster.Client);
        foreach (var id in (string[])["first", "second", "a/b#ü", "third"])
        {
            var user = client.User(id);
            Assert.Equal(cluster.Client.GetGrain<IUserGrain>(id), user);
            Assert.Equal(id, user.GetPrimaryKeyString());
            Assert.Equal(cluster.Client.GetGrain<IRateLimiterGrain>(id), client.RateLimiter(id));
            await user.UpdateAsync(new());
            Assert.Equal(["Update "], CountingUser.CallsOf(id));
        }
    }

    [Fact]
    public void Before_the_connection_the_known_type_is_used()
    {
        using var host = new HostBuilder().AddActorsClient(options => (options.Redis, options.ConnectInBackground) = ("localhost:1", true)).Build();
        var client = host.Services.GetRequiredService<ActorsClient>();
        Assert.Equal("user/ada", client.User("ada").GetGrainId().ToString());
        Assert.Equal("rate-limiter/ada", client.RateLimiter("ada").GetGrainId().ToString());
    }
}
