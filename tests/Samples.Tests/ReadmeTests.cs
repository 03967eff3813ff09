using System.Text.RegularExpressions;

namespace Actors.Samples.Tests;

/// <summary>The README's section for apps, followed word by word in an empty folder, against real servers and a real silo.</summary>
public sealed class ReadmeTests : IAsyncLifetime
{
    private static readonly TimeSpan BuildLimit = TimeSpan.FromMinutes(4);
    private static readonly TimeSpan CommandLimit = TimeSpan.FromMinutes(1);
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(30) };

    private readonly ReadmeSection _section = ReadmeSection.Of("From an app");
    private readonly TemporaryDirectory _folder = new("readme");
    private Deployment _deployment = null!;

    public async ValueTask InitializeAsync()
    {
        _deployment = await Deployment.StartAsync(silos: 0);

        // With the settings the README gives the silo.
        var silo = _section.Block("sh", "dotnet run --project Silo").Replace("\\\n", "", StringComparison.Ordinal);
        await _deployment.AddSiloAsync(silo.Split("--", 3)[2].Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
    }

    public async ValueTask DisposeAsync()
    {
        await _deployment.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_the_README_says_of_apps_works_as_shown_in_an_empty_folder()
    {
        var port = FreePorts.Next();
        var environment = new Dictionary<string, string>
        {
            // As the tests were built, so that nothing of this repository is built once more.
            ["Configuration"] = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name,
            ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
            ["no_proxy"] = "127.0.0.1",
        };
        string AsHere(string commands) => commands
            .Replace("~/actors", DotnetProgram.Root, StringComparison.Ordinal)
            .Replace("127.0.0.1:6380", _deployment.Redis.ConnectionString, StringComparison.Ordinal)
            .Replace("127.0.0.1:5080", $"127.0.0.1:{port}", StringComparison.Ordinal);

        await ShellRun.RunAsync(AsHere(_section.Block("sh", "dotnet new")), _folder.Path, environment, BuildLimit);
        var shop = Path.Combine(_folder.Path, "shop");
        await File.WriteAllTextAsync(Path.Combine(shop, "Program.cs"), _section.Block("csharp", "AddActorsClient"));
        using var app = ShellRun.Start(AsHere(_section.Block("sh", "dotnet run -- --urls")), shop, environment);
        await Eventually.IsTrueAsync(() => AnswersAsync(app, port), BuildLimit);

        foreach (var (command, expected) in ReadmeSection.Commands(_section.Block("console", "/logins")))
        {
            var output = await ShellRun.RunAsync(AsHere(command), shop, environment, CommandLimit);
            Assert.True(expected.IsMatch(output.Trim()), $"{command}\nprints\n{output}\nand not\n{expected}\n{app.Output}");
        }

        // Nothing of Orleans' start, and no errors.
        Assert.DoesNotContain("Orleans", app.Output, StringComparison.Ordinal);
        Assert.DoesNotMatch(new Regex("^(fail|crit|warn):", RegexOptions.Multiline), app.Output);
    }

    private static async Task<bool> AnswersAsync(ShellRun app, int port)
    {
        if (app.HasExited) throw new InvalidOperationException($"The app ended:\n{app.Output}");
        try
        {
            using var response = await Http.GetAsync(new Uri($"http://127.0.0.1:{port}/health"));
            return true;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
