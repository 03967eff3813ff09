using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Actors.Fixtures;
using Npgsql;

namespace Actors.Fault.Tests.WrongStarts;

/// <summary>
/// A failing start ends soon, with the documented exit code and one line that names the setting and the fix, without a stack
/// trace or a secret.
/// </summary>
public sealed class WrongStartTests(WrongStartServers servers) : IClassFixture<WrongStartServers>
{
    private const int AtOnce = 3;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task Failed_start_prints_one_line_that_names_the_setting()
    {
        List<WrongStart> starts = [.. Arguments(), .. Settings(), .. Endpoints(), .. Files(), .. RedisStrings(), .. Redis(), .. PostgresStrings(), .. Postgres()];
        var failures = new ConcurrentBag<string>();
        await Parallel.ForEachAsync(starts, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (start, _) =>
        {
            if (await FindFaultAsync(start) is { } fault) failures.Add($"{start}\n    {fault}");
        });
        Assert.True(starts.Count >= 40);
        Assert.True(failures.IsEmpty, $"{failures.Count} of {starts.Count} starts did not fail as expected:\n{string.Join('\n', failures)}");
    }

    private static IEnumerable<WrongStart> Arguments() =>
    [
        new(2, "'foo'", "Unknown argument", "foo"),
        new(2, "'--Foo:Bar'", "Unknown option", "--Foo:Bar", "1"),
        new(2, "'--Actors__SiloPort'", "colons", "--Actors__SiloPort", "5"),
        new(2, "--Actors:SiloPort", "has no value", "--Actors:SiloPort"),
        new(2, "--Actors:SiloPort", "has no value", "--Actors:SiloPort", "--urls", "http://127.0.0.1:0"),
        new(2, "connection string", "quote values with blanks", "--ConnectionStrings:redis", "127.0.0.1:1,password=ab", "hunter2") { Secret = "hunter2" },
        new(2, "ConnectionStrings:redis-jurnal", "the settings are ConnectionStrings:redis", "--ConnectionStrings:redis-jurnal", "127.0.0.1:1"),
    ];

    private static IEnumerable<WrongStart> Settings() =>
    [
        new(2, "Actors:SiloPort", "70000; use 1 to 65535", "--Actors:SiloPort", "70000"),
        new(2, "Actors:WriteBehind:BatchSize", "is 0; use 1 to 50000", "--Actors:WriteBehind:BatchSize", "0"),
        new(2, "Actors:WriteBehind:BatchSize", "Correct the value", "--Actors:WriteBehind:BatchSize", "many"),
        new(2, "BatchSise", "", "--Actors:WriteBehind:BatchSise", "5"),
        new(2, "Actors:Breaker:BreakDuration", "must not be more than MaxBreakDuration", "--Actors:Breaker:BreakDuration", "00:00:06"),
        new(2, "Actors:Adress", "is not a setting; the settings are Actors:SiloPort", "--Actors:Adress", "127.0.0.1"),
        new(2, "Actors:StopTimeout", "which is 00:00:10", "--Actors:StopTimeout", "00:00:10"),
        new(2, "Actors:ClusterId", "use 1 to 128 characters", "--Actors:ClusterId="),
        new(2, "Actors:ServiceId", "use 1 to 64 letters", "--Actors:ServiceId", "a b\u001b[2J"),
        new(2, "Logging:LogLevel:Default", "use Trace, Debug", "--Logging:LogLevel:Default", "Loud"),
    ];

    private IEnumerable<WrongStart> Endpoints()
    {
        yield return new(2, "Actors:Address", "'nowhere'; use an IP address", "--Actors:Address", "nowhere");
        yield return new(2, "Actors:Address", "'12345'; use an IP address", "--Actors:Address", "12345");
        foreach (var address in (string[])["0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1"])
            yield return new(2, "Actors:Address", "use an IP address of this machine or auto", "--Actors:Address", address);
        yield return new(2, "Actors:Address", "not an address of this machine", "--Actors:Address", "203.0.113.7");
        yield return new(2, "Actors:SiloPort", "in use", "--Actors:SiloPort", $"{servers.WebPort}");
        yield return new(2, "Actors:GatewayPort", "in use", "--Actors:GatewayPort", $"{servers.WebPort}");
        yield return new(2, "Actors:GatewayPort", "and Actors:SiloPort are both 23456", "--Actors:SiloPort", "23456", "--Actors:GatewayPort", "23456");
        yield return new(2, "--urls", "in use", "--urls", $"http://127.0.0.1:{servers.WebPort}");
        yield return new(2, "--urls", "not a URL", "--urls", "nowhere");
        yield return new(2, "--urls", "not a URL", "--urls", "http://127.0.0.1:99999");
        yield return new(2, "--urls", "not an address of this machine", "--urls", "http://203.0.113.7:8080");
        yield return new(2, "--urls", "certificate", "--urls", "https://127.0.0.1:0") { Environment = new Dictionary<string, string> { ["HOME"] = "/nonexistent" } };
        if (Environment.UserName != "root") yield break;
        yield return new(2, "Actors:Address", "leads to no address", "--Actors:Address", "auto")
        {
            Through = ["unshare", "--uts", "sh", "-c", "hostname nosuch-host; exec \"$@\"", "sh"],
        };
        yield return new(2, "Actors:SiloPort", "may not listen on that port", "--Actors:SiloPort", "80") { Through = AsNobody };
        yield return new(2, "Actors:DataDirectory", "cannot be used", "--Actors:DataDirectory", "/root/actors") { Through = AsNobody };
    }

    private static string[] AsNobody => ["setpriv", "--reuid", "nobody", "--clear-groups", "--bounding-set", "-all", "--inh-caps", "-all"];

    private static IEnumerable<WrongStart> Files() =>
    [
        new(2, "Actors:DataDirectory", "cannot be used", "--Actors:DataDirectory", "/dev/null/data"),
        new(2, "Actors:DataDirectory", "cannot be used", "--Actors:DataDirectory", "/proc/actors"),
        new(2, "appsettings.json", "Correct the file") { File = "{ \"Actors\": " },
        new(2, "Actors:SiloPort", "is 0; use 1 to 65535") { File = """{ "Actors": { "SiloPort": 0 } }""" },
    ];

    private static IEnumerable<WrongStart> RedisStrings()
    {
        const string Redis = "ConnectionStrings:redis";
        (string Says, string Value)[] wrong =
        [
            ("with a comma is not supported here", "127.0.0.1:1,password=ab,hunter2"),
            ("with a comma is not supported here", "127.0.0.1:1,password=ab,hunter2=c"),
            ("its part 1 of 1", "host:6380:extra"),
            ("its part 2 of 2", "127.0.0.1:1,host:99999"),
            ("its part 1 of 1", "6379"),
            ("is a URL", "redis://actors:hunter2@127.0.0.1:1"),
            ("its part 1 of 1", "hunter2@127.0.0.1:1"),
            ("names no server", "password=hunter2"),
            ("the option ssl a value that it does not take", "127.0.0.1:1,ssl=maybe"),
            ("an unknown option", "127.0.0.1:1,passwort=hunter2"),
        ];
        foreach (var (says, value) in wrong) yield return new(2, Redis, says, "--ConnectionStrings:redis", value) { Secret = "hunter2" };
        foreach (var role in (string[])["journal", "cache", "limits"])
        {
            yield return new(2, $"ConnectionStrings:redis-{role}", "has no '='", "--ConnectionStrings:redis", "127.0.0.1:1", $"--ConnectionStrings:redis-{role}", "127.0.0.1:1,password=ab,hunter2")
            {
                Secret = "hunter2",
            };
        }
    }

    private IEnumerable<WrongStart> Redis()
    {
        var tls = $"127.0.0.1:{servers.TlsPort}";
        var trusted = new Dictionary<string, string> { ["SERedis_IssuerCertPath"] = servers.Issuer };
        yield return Wrong(4, "refuses the user name or password", $"{servers.Redis},user=notime,password=hunter2");
        yield return Wrong(4, "Remove ssl=true", $"{servers.Redis},ssl=true,password=hunter2");
        yield return Wrong(4, "Add ssl=true", $"{tls},password=hunter2");
        yield return Wrong(4, "is not trusted by this machine", $"localhost:{servers.TlsPort},ssl=true,password=hunter2");
        yield return Wrong(4, "is not for the host 127.0.0.1", $"{tls},ssl=true") with { Environment = trusted };
        yield return Wrong(4, "is not for the host other", $"{tls},ssl=true,sslHost=other") with { Environment = trusted };
        yield return Wrong(4, "an HTTP server answers there", $"127.0.0.1:{servers.WebPort}");
        yield return Wrong(4, "there is no socket", "!/nonexistent/redis.sock");
        yield return Wrong(4, "99", $"{servers.Redis},defaultDatabase=99");
        yield return Wrong(2, "maxmemory-policy is allkeys-lru", servers.EvictingRedis);
        yield return Wrong(4, "ACL SETUSER noscripts +evalsha +eval", $"{servers.Redis},user=noscripts,password=right");
        yield return Wrong(4, "ACL SETUSER notime +time", $"{servers.Redis},user=notime,password=right");
        yield return Wrong(4, "ACL SETUSER nosets +zadd", $"{servers.Redis},user=nosets,password=right");
        yield return Wrong(4, "ACL SETUSER narrow ~actors/*", $"{servers.Redis},user=narrow,password=right");
        yield return Wrong(4, "ACL SETUSER foreign ~actors:* ~actors/*", $"{servers.Redis},user=foreign,password=right");
        yield return Wrong(4, "ACL SETUSER reader ~actors:* ~actors/*", $"{servers.Redis},user=reader,password=right");

        static WrongStart Wrong(int exitCode, string says, string value) =>
            new(exitCode, "ConnectionStrings:redis", says, "--ConnectionStrings:redis", value) { Secret = "hunter2" };
    }

    private static IEnumerable<WrongStart> PostgresStrings()
    {
        (string Says, string Value)[] wrong =
        [
            ("not a PostgreSQL connection string", "nonsense"),
            ("not a PostgreSQL connection string", "Host=127.0.0.1;Password=ab;hunter2=c"),
            ("not a PostgreSQL connection string", "postgres://actors:hunter2@127.0.0.1/actors"),
            ("names no Host", "Username=actors;Password=hunter2"),
            ("Client Encoding=LATIN1; use UTF8", "Host=localhost;Client Encoding=LATIN1"),
            ("Target Session Attributes=prefer-standby; use", "Host=a,b;Target Session Attributes=prefer-standby"),
            ("Port=99999; use 1 to 65535", "Host=localhost;Port=99999"),
            ("each with an optional port of 1 to 65535", "Host=a:99999,b;Password=hunter2"),
            ("Minimum Pool Size=30", "Host=localhost;Minimum Pool Size=30;Password=hunter2"),
            ("Maximum Pool Size=1; use 2 or more", "Host=localhost;Maximum Pool Size=1"),
        ];
        return wrong.Select(each => new WrongStart(
            2, "ConnectionStrings:postgres", each.Says, "--ConnectionStrings:redis", "127.0.0.1:1", "--ConnectionStrings:postgres", each.Value)
        {
            Secret = "hunter2",
        });
    }

    private IEnumerable<WrongStart> Postgres()
    {
        yield return Wrong(4, "absent", new(servers.Database) { Database = "absent" });
        yield return Wrong(4, "rejects the user", new(servers.Database) { Password = "hunter2" });
        yield return Wrong(4, "cannot be used", new(servers.Database) { Port = 1, Password = "hunter2" });
        yield return Wrong(4, "GRANT USAGE, CREATE ON SCHEMA public TO \"weak\"", new(servers.WeakRole));
        yield return Wrong(2, "Set Search Path in the connection string to an existing schema", new(servers.Database) { SearchPath = "nosuch" });
        yield return Wrong(2, "Another object of that name exists", new(servers.ForeignTable));
        yield return Wrong(2, "Another object of that name exists", new(servers.View));
        yield return Wrong(2, "has the encoding LATIN1", new(servers.Latin1));
        yield return Wrong(4, "standby", new(servers.Standby));

        WrongStart Wrong(int exitCode, string says, NpgsqlConnectionStringBuilder value) =>
            new(exitCode, "ConnectionStrings:postgres", says,
                "--ConnectionStrings:redis", servers.Redis, "--Actors:ServiceId", $"pg{Guid.NewGuid():n}", "--ConnectionStrings:postgres", value.ConnectionString)
            {
                Secret = value.Password,
            };
    }

    /// <summary>The difference from the expected result; null if there is none.</summary>
    private static async Task<string?> FindFaultAsync(WrongStart start)
    {
        using var directory = new TemporaryDirectory("wrong-start");
        if (start.File is not null) await File.WriteAllTextAsync(directory.File("appsettings.json"), start.File);
        if (start.Through.Length > 0 && !OperatingSystem.IsWindows())
            File.SetUnixFileMode(directory.Path, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        string[] command = [.. start.Through, DotnetProgram.Dotnet, DotnetProgram.Silo, .. start.Arguments];
        var watch = Stopwatch.StartNew();
        ProgramRun run;
        try
        {
            run = await ProgramRun.RunCommandAsync(command, directory.Path, start.Environment, Limit);
        }
        catch (TimeoutException error)
        {
            return error.Message;
        }

        var lines = run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var (all, took) = (run.Output + run.Error, watch.Elapsed);
        if (took > Limit) return string.Create(CultureInfo.InvariantCulture, $"took {took}: {run}");
        if (run.ExitCode != start.ExitCode) return $"expected exit code {start.ExitCode}: {run}";
        if (lines is not [var line] || !line.StartsWith("error: ", StringComparison.Ordinal)) return $"expected one line: {run}";
        if (!line.Contains(start.Key, StringComparison.Ordinal)) return $"expected the key {start.Key}: {run}";
        if (!line.Contains(start.Says, StringComparison.Ordinal)) return $"expected '{start.Says}': {run}";
        if (all.Contains("   at ", StringComparison.Ordinal)) return $"expected no trace: {run}";
        if (all.Any(c => char.IsControl(c) && c != '\n')) return $"expected no control characters: {run}";
        return start.Secret is { } secret && all.Contains(secret, StringComparison.Ordinal) ? $"expected no secret: {run}" : null;
    }
}
