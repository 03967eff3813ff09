using System.Text.Json;

namespace Actors.Grains.Tests.Contract;

/// <summary>The contract types as an app writes them to JSON, without custom converters.</summary>
public sealed class JsonTests
{
    public static TheoryData<string> Enums => [.. WireType.All.Where(type => type.Type.IsEnum).Select(type => type.Type.FullName!)];

    [Theory]
    [MemberData(nameof(Enums))]
    public void Enums_are_written_by_name_and_read_back(string name)
    {
        var type = typeof(User).Assembly.GetType(name, throwOnError: true)!;
        foreach (var value in Enum.GetValues(type))
        {
            var json = JsonSerializer.Serialize(value, type);
            Assert.Equal($"\"{value}\"", json);
            Assert.Equal(value, JsonSerializer.Deserialize(json, type));
        }
    }

    [Fact]
    public void Receipt_names_its_durability() => Assert.Equal(
        """{"version":7,"durability":"Journal"}""",
        JsonSerializer.Serialize(new WriteReceipt { Version = 7, Durability = Durability.Journal }, JsonSerializerOptions.Web));

    [Fact]
    public void Patches_requests_and_policies_survive_a_JSON_round_trip()
    {
        AssertSurvives(new UserPatch { Attributes = new() { ["a"] = null }, Increment = new() { ["n"] = -1 }, AddTags = ["t"] });
        AssertSurvives(new WriteOptions { Durability = Durability.Database, RequestId = "r" });
        AssertSurvives(new RateLimitRequest { Policy = "p", MaxWait = TimeSpan.FromSeconds(1) });
        AssertSurvives(new RateLimitPolicy { Name = "p", Windows = [new(3, TimeSpan.FromSeconds(1))], OnRedisDown = RedisDownBehavior.Deny });
    }

    private static void AssertSurvives<T>(T value)
    {
        var json = JsonSerializer.Serialize(value, JsonSerializerOptions.Web);
        Assert.Equal(json, JsonSerializer.Serialize(JsonSerializer.Deserialize<T>(json, JsonSerializerOptions.Web), JsonSerializerOptions.Web));
    }
}
