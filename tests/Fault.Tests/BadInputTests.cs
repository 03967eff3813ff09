using System.Diagnostics;
using Actors.Fixtures;

namespace Actors.Fault.Tests;

/// <summary>What an operator gets wrong is said in a line that names it, with the exit code that scripts rely on.</summary>
public sealed class BadInputTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly TemporaryDirectory _directory = new("bad-input");

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(2, "no PostgreSQL connection string", "--ConnectionStrings:redis", "127.0.0.1:1", "--ConnectionStrings:postgres", "nonsense")]
    [InlineData(2, "ConnectionStrings:postgres says Client Encoding=LATIN1; allowed is UTF8", "--ConnectionStrings:redis", "127.0.0.1:1",
        "--ConnectionStrings:postgres", "Host=localhost;Client Encoding=LATIN1")]
    [InlineData(2, "Target Session Attributes=prefer-standby; allowed are read-write and primary", "--ConnectionStrings:redis", "127.0.0.1:1",
        "--ConnectionStrings:postgres", "Host=a,b;Target Session Attributes=prefer-standby")]
    [InlineData(2, "Actors:SiloPort is 70000; allowed are 1 to 65535", "--Actors:SiloPort", "70000")]
    [InlineData(2, "Actors:WriteBehind:BatchSize is 0; allowed are 1 to 50000", "--Actors:WriteBehind:BatchSize", "0")]
    [InlineData(2, "Actors:WriteBehind:BatchSize", "--Actors:WriteBehind:BatchSize", "many")]
    [InlineData(2, "BatchSise", "--Actors:WriteBehind:BatchSise", "5")]
    [InlineData(2, "Actors:Breaker:BreakDuration must not be more than MaxBreakDuration", "--Actors:Breaker:BreakDuration", "00:00:06")]
    [InlineData(2, "Actors:Address is 'nowhere'", "--Actors:Address", "nowhere")]
    [InlineData(2, "Actors:Adress is no setting; allowed are Actors:SiloPort", "--Actors:Adress", "127.0.0.1")]
    [InlineData(2, "Actors:StopTimeout, which is 00:00:10", "--Actors:StopTimeout", "00:00:10")]
    [InlineData(2, "--urls is 'nowhere'", "--urls", "nowhere")]
    public async Task A_silo_says_what_is_wrong_with_its_configuration(int exitCode, string message, params string[] arguments)
    {
        var run = await ProgramRun.RunAsync(DotnetProgram.Silo, _directory.Path, new Dictionary<string, string>(), arguments);
        Assert.True(run.ExitCode == exitCode, run.ToString());
        Assert.Contains("error: ", run.Error, StringComparison.Ordinal);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error + run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--Actors:SiloPort")]
    [InlineData("--Actors:GatewayPort")]
    [InlineData("--urls")]
    public async Task A_port_that_was_asked_for_and_is_taken_is_an_error(string option)
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port;
        var value = option == "--urls" ? $"http://127.0.0.1:{port}" : $"{port}";
        var run = await ProgramRun.RunAsync(DotnetProgram.Silo, _directory.Path, new Dictionary<string, string>(), option, value);
        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains($"{port}", run.Error, StringComparison.Ordinal);
        Assert.Contains("in use", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--ConnectionStrings:redis", "127.0.0.1:1,password=ab,hunter2=c")]
    [InlineData("--ConnectionStrings:redis", "redis://actors:hunter2@127.0.0.1:1")]
    [InlineData("--ConnectionStrings:postgres", "Host=127.0.0.1;Password=ab;hunter2=c")]
    [InlineData("--ConnectionStrings:postgres", "postgres://actors:hunter2@127.0.0.1/actors")]
    public async Task A_connection_string_that_cannot_be_read_is_not_quoted(string option, string connectionString)
    {
        var run = await ProgramRun.RunAsync(
            DotnetProgram.Silo, _directory.Path, new Dictionary<string, string>(), option, connectionString);
        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains("connection string", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", run.Error + run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_database_is_named_without_its_password()
    {
        await using var postgres = await PostgresServer.StartNewAsync();
        await using var redis = await RedisServer.StartNewAsync();
        var run = await ProgramRun.RunAsync(
            DotnetProgram.Silo,
            _directory.Path,
            new Dictionary<string, string>
            {
                ["ConnectionStrings__redis"] = redis.ConnectionString,
                ["ConnectionStrings__postgres"] = $"Host=127.0.0.1;Port={postgres.Port};Database=absent;Username=actors;Password=secret",
            });
        Assert.True(run.ExitCode == 4, run.ToString());
        Assert.Contains($"127.0.0.1:{postgres.Port}/absent", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", run.Error + run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error + run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_of_another_encoding_is_refused_in_a_line()
    {
        await using var postgres = await PostgresServer.StartNewAsync();
        await using var redis = await RedisServer.StartNewAsync();
        var run = await ProgramRun.RunAsync(
            DotnetProgram.Silo,
            _directory.Path,
            new Dictionary<string, string>
            {
                ["ConnectionStrings__redis"] = redis.ConnectionString,
                ["ConnectionStrings__postgres"] = await postgres.CreateDatabaseAsync("LATIN1"),
            });
        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains("has the encoding LATIN1", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error + run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_silo_of_another_service_does_not_use_the_data_of_the_first()
    {
        using (var first = await SiloProcess.StartAsync(_directory.Path, new Dictionary<string, string>(), "--Actors:ServiceId", "first"))
            await first.StopAsync();
        var run = await ProgramRun.RunAsync(
            DotnetProgram.Silo, _directory.Path, new Dictionary<string, string>(), "--Actors:ServiceId", "second");
        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains("belong to the service \"first\"", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error + run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redis_that_refuses_the_password_is_named_without_it()
    {
        await using var redis = await RedisServer.StartNewAsync(appendOnly: true, "--requirepass", "right");
        var environment = new Dictionary<string, string> { ["ConnectionStrings__redis"] = $"{redis.ConnectionString},password=hunter2" };
        var run = await ProgramRun.RunAsync(DotnetProgram.Silo, _directory.Path, environment);
        Assert.True(run.ExitCode == 4, run.ToString());
        Assert.Contains(redis.ConnectionString, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", run.Error + run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error + run.Output, StringComparison.Ordinal);
    }

    // By SIGTERM: what runs in the background of a shell, as tests may, ignores SIGINT, and so do the processes it starts.
    [Fact]
    public async Task A_silo_that_waits_for_Redis_says_so_and_ends_when_it_is_told_to()
    {
        var start = new ProcessStartInfo(DotnetProgram.Dotnet, [DotnetProgram.Silo, "--ConnectionStrings:redis", "127.0.0.1:1"])
        {
            WorkingDirectory = _directory.Path,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var silo = Process.Start(start)!;
        try
        {
            var said = await silo.StandardOutput.ReadLineAsync().WaitAsync(Limit);
            Assert.Contains("Redis at 127.0.0.1:1 (ConnectionStrings:redis) cannot be reached", said, StringComparison.Ordinal);
            Assert.Contains("The silo starts as soon as it answers", said, StringComparison.Ordinal);

            using var kill = Process.Start("kill", ["-TERM", $"{silo.Id}"]);
            await silo.WaitForExitAsync().WaitAsync(Limit);
            var rest = await silo.StandardOutput.ReadToEndAsync() + await silo.StandardError.ReadToEndAsync();
            Assert.DoesNotContain("   at ", rest, StringComparison.Ordinal);
        }
        finally
        {
            silo.Kill();
        }
    }

    [Fact]
    public async Task A_redis_that_may_evict_the_journal_is_refused()
    {
        await using var redis = await RedisServer.StartNewAsync(appendOnly: true, "--maxmemory-policy", "allkeys-lru");
        var environment = new Dictionary<string, string> { ["ConnectionStrings__redis"] = redis.ConnectionString };
        var run = await ProgramRun.RunAsync(DotnetProgram.Silo, _directory.Path, environment);
        Assert.True(run.ExitCode == 2, run.ToString());
        Assert.Contains("allkeys-lru", run.Error, StringComparison.Ordinal);
        Assert.Contains("noeviction", run.Error, StringComparison.Ordinal);
    }
}
