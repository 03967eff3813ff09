using System.Text.RegularExpressions;
using Actors.Cli.Tests.Fakes;

namespace Actors.Cli.Tests.Documentation;

/// <summary>The README and the pages of docs/ speak of what there is. None of this needs a server.</summary>
public sealed partial class DocumentationTests : IDisposable
{
    // Names of others that stand in backticks like ours.
    private static readonly HashSet<string> Others = ["KnownProxies", "TimeoutStopSec"];
    private static readonly string[] Units = ["", "_seconds", "_bytes"];
    private static readonly string[] Kinds = ["", "_total", "_bucket", "_sum", "_count"];
    private static readonly string[] OtherSources = ["deploy", "Silo", "Grains", "Embedded"];

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public void Settings_that_are_named_exist_and_each_is_documented()
    {
        var settings = Settings.Read();
        Check(page => SettingKey().Matches(page.Text).Select(match => match.Value.Replace("__", ":", StringComparison.Ordinal)), settings.Has, "setting");
        var operating = Pages.Read("docs/operating.md").Text;
        Assert.All(settings.All, key => Assert.True(operating.Contains($"`{key}`", StringComparison.Ordinal)
            || operating.Contains($"`{key}:", StringComparison.Ordinal), $"docs/operating.md does not describe {key}"));
    }

    [Fact]
    public void Metrics_that_are_named_exist()
    {
        var names = Pages.Sources.Values.SelectMany(source => MetricConstant().Matches(source)).Select(match => match.Groups[1].Value).ToHashSet();
        Assert.NotEmpty(names);
        var exported = names.SelectMany(name => Suffixes(name.Replace('.', '_'))).ToHashSet();
        Check(
            page => MetricName().Matches(page.Text).Select(match => match.Value.TrimEnd('.')),
            name => names.Contains(name) || exported.Contains(name) || (name.EndsWith('_') && exported.Any(each => each.StartsWith(name, StringComparison.Ordinal))),
            "metric");
    }

    [Fact]
    public void Tests_that_are_named_exist()
    {
        Check(page => TestName().Matches(page.Text).Select(match => match.Value), IsTest, "test");
        var tests = string.Concat(Pages.Sources.Where(source => source.Key.StartsWith("tests/", StringComparison.Ordinal)).Select(source => source.Value));
        Check(
            page => page.Spans.Select(span => span.Split('.')[^1]).Where(span => MethodName().IsMatch(span)),
            name => tests.Contains($" {name}(", StringComparison.Ordinal),
            "test method");
    }

    [Fact]
    public void Paths_that_are_named_exist()
    {
        var roots = Directory.EnumerateDirectories(Pages.Root).Select(Path.GetFileName).Where(name => name is not (".git" or ".actors" or "artifacts")).ToArray();
        Check(
            page => page.Code.Select(code => code.Split(' ')[0]).Concat(page.Code.SelectMany(code => ProjectOption().Matches(code)).Select(match => match.Groups[1].Value))
                .Where(path => roots.Any(root => path.StartsWith(root + "/", StringComparison.Ordinal)) && !path.AsSpan().ContainsAny("*…{:")),
            Pages.Exists,
            "path");
    }

    [Fact]
    public void Links_lead_to_files_and_headings_that_exist()
    {
        var anchors = Pages.All.Append(Pages.Read("CHANGELOG.md")).ToDictionary(page => page.File, page => page.Anchors.ToHashSet());
        foreach (var page in Pages.All.Append(Pages.Read("CHANGELOG.md")))
        {
            foreach (var target in Link().Matches(page.Prose).Select(match => match.Groups[1].Value).Where(target => !target.Contains("://", StringComparison.Ordinal)))
            {
                var parts = target.Split('#');
                var file = parts[0].Length == 0
                    ? page.File
                    : Path.GetRelativePath(Pages.Root, Path.Combine(Pages.Root, Path.GetDirectoryName(page.File)!, parts[0])).Replace('\\', '/');
                Assert.True(Pages.Exists(file), $"{page.File}: there is no {target}");
                if (parts.Length > 1) Assert.True(anchors[file].Contains(parts[1]), $"{page.File}: {file} has no heading #{parts[1]}");
            }
        }
    }

    [Fact]
    public async Task Commands_and_options_of_the_command_line_exist()
    {
        foreach (var page in Pages.All)
        {
            foreach (var line in page.Code.Select(code => CommandCall().Match(code)).Where(match => match.Success).Select(match => match.Groups[1].Value))
            {
                var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                var command = new List<string>();
                var help = await HelpAsync(command);
                foreach (var word in words.TakeWhile(word => Subcommands(help).Any()))
                {
                    // A placeholder or an option of the command line as a whole ends the name of the command.
                    if (!PlainWord().IsMatch(word)) break;
                    Assert.True(Subcommands(help).Contains(word), $"{page.File}: '{line}': there is no command {string.Join(' ', command.Append(word))}");
                    command.Add(word);
                    help = await HelpAsync(command);
                }

                foreach (var option in words.Where(word => word.StartsWith("--", StringComparison.Ordinal)).Select(word => OptionName().Match(word).Value))
                    Assert.True(Regex.IsMatch(help, $@"{option}\b"), $"{page.File}: '{line}': actors {string.Join(' ', command)} has no option {option}");
            }
        }
    }

    [Fact]
    public void Options_of_soak_and_bench_exist()
    {
        foreach (var project in (string[])["tests/Soak", "bench"])
        {
            var sources = string.Concat(Pages.Sources
                .Where(source => source.Key.StartsWith(project + "/", StringComparison.Ordinal) || source.Key.StartsWith("tests/Harness/", StringComparison.Ordinal))
                .Select(source => source.Value));
            Check(
                page => page.Code.Where(code => code.Contains($"--project {project} ", StringComparison.Ordinal) && code.Contains(" -- ", StringComparison.Ordinal))
                    .SelectMany(code => Regex.Matches(code.Split(" -- ")[1], @"--[a-z-]+|(?<=--trial )[a-z-]+")).Select(match => match.Value),
                word => sources.Contains($"\"{word}\"", StringComparison.Ordinal),
                $"word of {project}");
        }
    }

    [Fact]
    public void Names_of_the_code_exist()
    {
        var files = Pages.Sources.Values.Concat(OtherSources
            .SelectMany(directory => Pages.Below(directory, "*.yml").Concat(Pages.Below(directory, "*.csproj")).Concat(Pages.Below(directory, "*.sql")))
            .Select(file => File.ReadAllText(Path.Combine(Pages.Root, file))));
        var names = files.SelectMany(text => CodeName().Matches(text)).Select(match => match.Value).ToHashSet();
        Check(
            page => page.Spans.Where(span => CodeSpan().IsMatch(span)).SelectMany(span => CodeName().Matches(span)).Select(match => match.Value),
            name => names.Contains(name) || Others.Contains(name),
            "name in the code");
    }

    [Fact]
    public void Terms_of_the_glossary_name_types_that_exist()
    {
        var types = Pages.Sources.Values.SelectMany(source => TypeDeclaration().Matches(source)).Select(match => match.Groups[1].Value).ToHashSet();
        var rows = Regex.Matches(Pages.Read("docs/glossary.md").Text, @"^\| \*\*(?<term>[^|]+)\*\* \|[^|]+\| (?<types>[^|]*) \|$", RegexOptions.Multiline);
        Assert.True(rows.Count > 20);
        Assert.All(rows, row => Assert.All(
            Regex.Matches(row.Groups["types"].Value, "`([^`]+)`").Select(match => match.Groups[1].Value.Split('.')[0]),
            type => Assert.True(types.Contains(type), $"docs/glossary.md: {row.Groups["term"].Value}: there is no type {type}")));
    }

    private static void Check(Func<Page, IEnumerable<string>> named, Func<string, bool> exists, string what)
    {
        var missing = Pages.All
            .SelectMany(page => named(page).Distinct().Where(name => !exists(name)).Select(name => $"{page.File}: there is no {what} {name}")).ToArray();
        Assert.True(missing.Length == 0, string.Join('\n', missing));
        Assert.Contains(Pages.All, page => named(page).Any());
    }

    private static IEnumerable<string> Suffixes(string name) =>
        Units.SelectMany(unit => Kinds.Select(kind => name + unit + kind));

    /// <summary>Project.Tests/Folder/Class.Method: folders and the method may be missing.</summary>
    private static bool IsTest(string name)
    {
        var match = TestName().Match(name);
        var path = $"tests/{match.Groups["path"].Value}";
        var isDirectory = Pages.Exists(path);
        if (isDirectory) return true;
        var (folder, type) = (path[..path.LastIndexOf('/')], path[(path.LastIndexOf('/') + 1)..]);
        var sources = Pages.Sources.Where(source => source.Key.StartsWith(folder + "/", StringComparison.Ordinal) && Regex.IsMatch(source.Value, $@"\bclass {type}\b")).ToArray();
        return sources.Length > 0 && (match.Groups["method"] is not { Success: true } method
            || sources.Any(source => source.Value.Contains($" {method.Value}(", StringComparison.Ordinal)));
    }

    private static IEnumerable<string> Subcommands(string help) =>
        help.Split("\nCommands:\n") is [_, var commands] ? SubcommandLine().Matches(commands).Select(match => match.Groups[1].Value) : [];

    private async Task<string> HelpAsync(IEnumerable<string> command) => (await _shell.RunAsync([.. command, "--help"])).Output.ReplaceLineEndings("\n");

    [GeneratedRegex(@"\bActors(?::|__)[A-Z][A-Za-z0-9]*(?:(?::|__)[A-Za-z0-9]+)*")]
    private static partial Regex SettingKey();

    [GeneratedRegex("""const string \w+ = "(actors\.[a-z0-9_.]+)";""")]
    private static partial Regex MetricConstant();

    [GeneratedRegex(@"\bactors_[a-z0-9_]+|\bactors\.client\.[a-z_.]+")]
    private static partial Regex MetricName();

    [GeneratedRegex(@"(?<![\w.*])(?<path>(?:[A-Z]\w*\.Tests|Contracts)(?:/[A-Z]\w*)*)(?:\.(?<method>[A-Z]\w*_\w+))?")]
    private static partial Regex TestName();

    [GeneratedRegex(@"^(?=.*[a-z])[A-Z][A-Za-z]*(?:_[A-Za-z0-9]+){2,}$")]
    private static partial Regex MethodName();

    [GeneratedRegex(@"--project (\S+)")]
    private static partial Regex ProjectOption();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^(?:\$ )?(?:\./actors|actors|docker compose run --rm cli) ([^|#]+)")]
    private static partial Regex CommandCall();

    [GeneratedRegex("^[a-z]+$")]
    private static partial Regex PlainWord();

    [GeneratedRegex("^--[a-z-]+")]
    private static partial Regex OptionName();

    [GeneratedRegex("^  ([a-z]+)", RegexOptions.Multiline)]
    private static partial Regex SubcommandLine();

    [GeneratedRegex(@"^[\w.<>()=, ""…]+$")]
    private static partial Regex CodeSpan();

    // At least two humps: one may be any word that begins a sentence.
    [GeneratedRegex(@"\b[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+\b")]
    private static partial Regex CodeName();

    [GeneratedRegex(@"\b(?:class|interface|struct|record|enum) (?:struct |class )?(\w+)")]
    private static partial Regex TypeDeclaration();
}
