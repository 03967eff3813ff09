using System.Text.RegularExpressions;

namespace Actors.Samples.Tests;

/// <summary>Follows the README's section for apps in an empty folder, against real servers and a real silo.</summary>
[Collection(WebApiTests.Alone)]
public sealed class ReadmeTests : IAsyncLifetime
{
    private static readonly TimeSpan BuildLimit = TimeSpan.FromMinutes(4);
    private static readonly TimeSpan CommandLimit = TimeSpan.FromMinutes(1);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(30) };

    // The configuration of the tests, so that this repository is not built again.
    private static readonly Dictionary<string, string> Environment = new()
    {
        ["Configuration"] = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name,
        ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
        ["no_proxy"] = "127.0.0.1",
    };

    private readonly ReadmeSection _section = ReadmeSection.Of("From an app");
    private readonly TemporaryDirectory _folder = new("readme");
    private readonly int _port = FreePorts.Next();
    private Deployment? _deployment;

    private string App => Path.Combine(_folder.Path, "shop");

    // Both are slow and independent.
    public async ValueTask InitializeAsync() => await Task.WhenAll(StartSiloAsync(), CreateAppAsync());

    public async ValueTask DisposeAsync()
    {
        if (_deployment is not null) await _deployment.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task README_section_for_apps_works_as_shown_in_an_empty_folder()
    {
        var run = _section.Block("sh", "dotnet run -- --urls")
            .Replace("127.0.0.1:6380", _deployment!.Redis.ConnectionString, StringComparison.Ordinal);
        using var app = ShellRun.Start(OnPort(run), App, Environment);
        await Eventually.IsTrueAsync(() => AnswersAsync(app), BuildLimit);

        foreach (var (command, expected) in ReadmeSection.Commands(_section.Block("console", "/logins")))
        {
            var output = await ShellRun.RunAsync(OnPort(command), App, Environment, CommandLimit);
            Assert.True(expected.IsMatch(output.Trim()), $"{command}\nprinted\n{output}\nexpected\n{expected}\n{app.Output}");
        }

        // No startup log of Orleans, and no errors.
        Assert.Contains("Now listening on", app.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Orleans", app.Output, StringComparison.Ordinal);
        Assert.DoesNotMatch(new Regex("^(fail|crit|warn):", RegexOptions.Multiline), app.Output);
    }

    /// <summary>Starts the silo with the settings of the README.</summary>
    private async Task StartSiloAsync()
    {
        var command = _section.Block("sh", "dotnet run --project Silo").Replace("\\\n", "", StringComparison.Ordinal);
        _deployment = await Deployment.StartAsync(silos: 0);
        await _deployment.AddSiloAsync(command.Split(" -- ")[1].Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
    }

    private async Task CreateAppAsync()
    {
        var commands = _section.Block("sh", "dotnet new").Replace("~/actors", Repository.Root, StringComparison.Ordinal);
        await ShellRun.RunAsync(commands, _folder.Path, Environment, BuildLimit);
        await File.WriteAllTextAsync(Path.Combine(App, "Program.cs"), _section.Block("csharp", "AddActorsClient"));
    }

    private string OnPort(string command) => command.Replace("127.0.0.1:5080", $"127.0.0.1:{_port}", StringComparison.Ordinal);

    private async Task<bool> AnswersAsync(ShellRun app)
    {
        if (app.HasExited) throw new InvalidOperationException($"The app exited:\n{app.Output}");
        try
        {
            using var response = await Http.GetAsync(new Uri($"http://127.0.0.1:{_port}/health"));
            return true;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
