using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>The logs of a silo, as text and as JSON, and their warnings.</summary>
public sealed partial class LogTests : IDisposable
{
    private const string Reason = "\u001b[2Jgone\u0007\rwarn: forged\nwarn: forged";

    private readonly TemporaryDirectory _text = new("log-text");
    private readonly TemporaryDirectory _json = new("log-json");

    public void Dispose()
    {
        _text.Dispose();
        _json.Dispose();
    }

    [Fact]
    public async Task Logs_quote_values_and_warn_of_open_ports_and_of_a_journal_without_persistence()
    {
        await using var redis = await RedisServer.StartNewAsync(appendOnly: false);
        await RedisCommands.SendAsync(redis.Port, "ACL SETUSER noinfo on >right ~* &* +@all -info");
        var address = OwnAddress();
        var text = SiloProcess.StartAsync(
            _text.Path, new Dictionary<string, string>(), "--ConnectionStrings:redis", redis.ConnectionString, "--Actors:Address", $"{address}");
        var json = SiloProcess.StartAsync(
            _json.Path, new Dictionary<string, string>(), "--ConnectionStrings:redis", $"{redis.ConnectionString},user=noinfo,password=right",
            "--Actors:ServiceId", "json", "--Actors:ClusterId", "json", "--Logging:Console:FormatterName", "json", "--Actors:Address", $"{address}");
        using var first = await text;
        using var second = await json;

        var health = JsonDocument.Parse(await EventuallyHealthAsync(first)).RootElement;
        Assert.Equal("Degraded", health.GetProperty("status").GetString());
        Assert.Contains("Set appendonly yes", health.GetProperty("checks").GetProperty("redis").GetProperty("description").GetString(), StringComparison.Ordinal);

        var cluster = new Dictionary<string, string> { ["ConnectionStrings__redis"] = redis.ConnectionString };
        var list = await ProgramRun.RunAsync(DotnetProgram.Cli, _text.Path, cluster, "breaker", "list");
        Assert.Contains($"warning: Redis {redis.ConnectionString}", list.Output, StringComparison.Ordinal);
        Assert.Contains("Set appendonly yes", list.Output, StringComparison.Ordinal);

        var isolated = await ProgramRun.RunAsync(DotnetProgram.Cli, _text.Path, cluster, "breaker", "isolate", "--all", "--reason", Reason);
        Assert.True(isolated.ExitCode == 0, isolated.ToString());
        await first.StopAsync();
        await second.StopAsync();

        var log = await File.ReadAllTextAsync(first.Log);
        Assert.Contains(@"\u001b[2Jgone\u0007\u000dwarn: forged", log, StringComparison.Ordinal);
        Assert.DoesNotContain(log, c => char.IsControl(c) && c != '\n');
        Assert.DoesNotContain("\nwarn: forged", log, StringComparison.Ordinal);
        Assert.Contains("keeps nothing on disk", log, StringComparison.Ordinal);
        Assert.Contains("Actors silo is ready", log, StringComparison.Ordinal);

        // The command line closes its connections when a command has ended.
        Assert.DoesNotContain("reset by peer", log, StringComparison.OrdinalIgnoreCase);
        if (!IPAddress.IsLoopback(address)) Assert.Contains("ask for no credentials", log, StringComparison.Ordinal);

        var events = (await File.ReadAllLinesAsync(second.Log)).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.All(events, each => Assert.Matches(IsoTime(), each.GetProperty("Timestamp").GetString()!));
        var written = DateTimeOffset.Parse(events[0].GetProperty("Timestamp").GetString()!, CultureInfo.InvariantCulture);
        Assert.InRange(written, DateTimeOffset.UtcNow.AddMinutes(-10), DateTimeOffset.UtcNow.AddSeconds(1));
        Assert.Single(events, each => Message(each).StartsWith("Actors silo is ready: cluster json", StringComparison.Ordinal));
        Assert.Single(events, each => Message(each).Contains("+info", StringComparison.Ordinal));
        if (!IPAddress.IsLoopback(address)) Assert.Single(events, each => Message(each).Contains("ask for no credentials", StringComparison.Ordinal));
    }

    private static async Task<string> EventuallyHealthAsync(SiloProcess silo)
    {
        var health = "";
        await Eventually.IsTrueAsync(
            async () => (health = await silo.GetAsync("/health/ready")).Contains("appendonly", StringComparison.Ordinal), TimeSpan.FromSeconds(20));
        return health;
    }

    private static string Message(JsonElement entry) => entry.GetProperty("Message").GetString()!;

    // An address of this machine; loopback if it has no other.
    private static IPAddress OwnAddress() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(each => each.OperationalStatus == OperationalStatus.Up)
        .SelectMany(each => each.GetIPProperties().UnicastAddresses)
        .Select(each => each.Address)
        .FirstOrDefault(each => each.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(each)) ?? IPAddress.Loopback;

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    private static partial Regex IsoTime();
}
