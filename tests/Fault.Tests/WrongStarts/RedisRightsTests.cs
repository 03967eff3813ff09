using System.Text.RegularExpressions;
using Actors.Fixtures;

namespace Actors.Fault.Tests.WrongStarts;

/// <summary>The rights that a silo reports as missing.</summary>
public sealed partial class RedisRightsTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new("rights");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Rights_named_by_the_error_are_sufficient()
    {
        await using var redis = await RedisServer.StartNewAsync();
        await RedisCommands.SendAsync(redis.Port, "ACL SETUSER silo on >right &* ~actors:* ~actors/* -@all +@connection");
        var connection = new Dictionary<string, string> { ["ConnectionStrings__redis"] = $"{redis.ConnectionString},user=silo,password=right" };

        var refused = await ProgramRun.RunAsync(DotnetProgram.Silo, _directory.Path, connection);
        var grant = Grant().Match(refused.Error);
        Assert.True(refused.ExitCode == 4 && grant.Success, refused.ToString());
        await RedisCommands.SendAsync(redis.Port, grant.Value);

        using var silo = await SiloProcess.StartAsync(_directory.Path, connection);
        var admin = new Dictionary<string, string> { ["ConnectionStrings__redis"] = redis.ConnectionString };
        var written = await ProgramRun.RunAsync(DotnetProgram.Cli, _directory.Path, admin, "user", "set", "ada", "--name", "Ada");
        Assert.Contains("durability journal", written.Output, StringComparison.Ordinal);
        var limited = await ProgramRun.RunAsync(DotnetProgram.Cli, _directory.Path, admin, "limit", "acquire", "bob", "--json");
        Assert.Contains("\"source\": \"redis\"", limited.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silo_that_waits_for_replicas_needs_the_WAIT_right()
    {
        await using var redis = await RedisServer.StartNewAsync();
        await RedisCommands.SendAsync(redis.Port, "ACL SETUSER silo on >right ~* &* +@all -wait");
        var settings = new Dictionary<string, string>
        {
            ["ConnectionStrings__redis"] = $"{redis.ConnectionString},user=silo,password=right",
            ["Actors__WriteBehind__JournalReplicas"] = "1",
        };
        var refused = await ProgramRun.RunAsync(DotnetProgram.Silo, _directory.Path, settings);
        Assert.True(refused.ExitCode == 4, refused.ToString());
        Assert.Contains("ACL SETUSER silo +wait\n", refused.Error.Replace(".", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [GeneratedRegex("ACL SETUSER silo( \\+[a-z|]+)+")]
    private static partial Regex Grant();
}
