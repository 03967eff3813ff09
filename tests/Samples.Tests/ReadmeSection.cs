using System.Text.RegularExpressions;

namespace Actors.Samples.Tests;

/// <summary>The code blocks of a README section.</summary>
public sealed class ReadmeSection
{
    private readonly List<(string Language, string Text)> _blocks;

    private ReadmeSection(List<(string Language, string Text)> blocks) => _blocks = blocks;

    /// <summary>The section with this heading.</summary>
    public static ReadmeSection Of(string heading)
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md")).ReplaceLineEndings("\n");
        var section = Regex.Match(readme, $@"^## {Regex.Escape(heading)}\n(?<text>.*?)(?=^## )", RegexOptions.Multiline | RegexOptions.Singleline);
        Assert.True(section.Success, $"README.md has no section '{heading}'.");
        var blocks = Regex.Matches(section.Groups["text"].Value, @"^```(?<language>\w+)\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline);
        return new([.. blocks.Select(block => (block.Groups["language"].Value, block.Groups["text"].Value))]);
    }

    /// <summary>The block of a language that contains a text.</summary>
    public string Block(string language, string holds) =>
        _blocks.Single(block => block.Language == language && block.Text.Contains(holds, StringComparison.Ordinal)).Text;

    /// <summary>The commands of a console block, each with its output; … matches any text.</summary>
    public static IEnumerable<(string Command, Regex Output)> Commands(string console)
    {
        foreach (var part in Regex.Split(console, @"^\$ ", RegexOptions.Multiline).Skip(1))
        {
            var lines = part.Split('\n', 2);
            var output = string.Join(".*", lines[1].Trim().Split('…').Select(Regex.Escape));
            yield return (lines[0], new Regex($"^{output}$", RegexOptions.Singleline));
        }
    }
}
