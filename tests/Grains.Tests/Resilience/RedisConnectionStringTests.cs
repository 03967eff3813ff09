using Actors.Redis;

namespace Actors.Grains.Tests.Resilience;

/// <summary>Valid Redis connection strings, and errors that never quote a password.</summary>
public sealed class RedisConnectionStringTests
{
    [Theory]
    [InlineData("localhost", "localhost:6379")]
    [InlineData("localhost:6380", "localhost:6380")]
    [InlineData("redis_1.example.org:6379,redis-2:6379", "redis_1.example.org:6379, redis-2:6379")]
    [InlineData("127.0.0.1,ssl=true", "127.0.0.1:6380")]
    [InlineData("[::1]:6379", "[::1]:6379")]
    [InlineData("::1", "[::1]:6379")]
    [InlineData("!/run/redis.sock", "/run/redis.sock")]
    [InlineData("redis:6379,password=a=b,user=c,abortConnect=false,connectTimeout=500,$DEBUG=", "redis:6379")]
    [InlineData(" redis:6379 , password=ab ,", "redis:6379")]
    public void Connection_string_is_shown_without_its_secrets(string text, string addresses)
    {
        Assert.True(RedisConnectionString.TryParse(text, out var options, out var fault), fault);
        Assert.Equal(addresses, RedisConnectionString.AddressesOf(options));
    }

    [Theory]
    [InlineData("127.0.0.1:6379,password=ab,hunter2", "its part 3 of 3 (parts are separated by commas) has no '='")]
    [InlineData("127.0.0.1:6379,password=ab,hunter2:99", "has no '='")]
    [InlineData("127.0.0.1:6379,password=ab,hunter2=c", "an unknown option. A password with a comma is not supported here")]
    [InlineData("127.0.0.1:6379,password=ab,ssl=hunter2", "gives the option ssl a value that it does not take")]
    [InlineData("127.0.0.1:6379,password=ab,,hunter2", "its part 4 of 4")]
    [InlineData("password=hunter2,127.0.0.1:6379", "has no '='")]
    [InlineData("hunter2@127.0.0.1:6379", "its part 1 of 1")]
    [InlineData("redis://:hunter2@127.0.0.1:6379", "is a URL")]
    [InlineData("rediss://:hunter2@127.0.0.1:6379?ssl=true", "is a URL")]
    [InlineData("host:6380:hunter2", "its part 1 of 1")]
    [InlineData("host:0", "its part 1 of 1")]
    [InlineData("host:65536", "its part 1 of 1")]
    [InlineData("6379", "its part 1 of 1")]
    [InlineData("ho st", "its part 1 of 1")]
    [InlineData(":6379", "its part 1 of 1")]
    [InlineData("password=hunter2", "names no server")]
    [InlineData("127.0.0.1:6379,defaultDatabase=hunter2", "the option defaultDatabase")]
    public void Invalid_part_is_named_but_not_quoted(string text, string says)
    {
        Assert.False(RedisConnectionString.TryParse(text, out _, out var fault));
        Assert.Contains(says, fault, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", fault, StringComparison.Ordinal);
    }
}
