using System.Text.RegularExpressions;
using Actors.Fixtures;

namespace Actors.Cli.Tests.Documentation;

/// <summary>A page of the documentation.</summary>
/// <param name="File">Its path below the root of the repository, with forward slashes.</param>
/// <param name="Text">All of it.</param>
internal sealed partial record Page(string File, string Text)
{
    /// <summary>The inline code of the page, and each line of its code blocks.</summary>
    public IEnumerable<string> Code =>
        Spans.Concat(CodeBlock().Matches(Text).SelectMany(block => block.Groups["text"].Value.Split('\n')).Select(line => line.Trim()));

    /// <summary>The inline code of the page.</summary>
    public IEnumerable<string> Spans => CodeSpan().Matches(Prose).Select(span => span.Groups[1].Value);

    /// <summary>The text without its code blocks.</summary>
    public string Prose => CodeBlock().Replace(Text, "");

    /// <summary>The anchors of its headings, as GitHub makes them.</summary>
    public IEnumerable<string> Anchors => Heading().Matches(Prose).Select(heading => Slug(heading.Groups[1].Value));

    private static string Slug(string heading) =>
        string.Concat(heading.Trim().ToLowerInvariant().Where(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_')).Replace(' ', '-');

    [GeneratedRegex(@"^\s*```\w*\n(?<text>.*?)^\s*```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex("`([^`\n]+)`")]
    private static partial Regex CodeSpan();

    [GeneratedRegex("^#+ (.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();
}

/// <summary>The documentation of this repository and what it speaks of.</summary>
internal static class Pages
{
    /// <summary>The root of the repository.</summary>
    public static string Root => Repository.Root;

    /// <summary>All pages that describe the present state; the change log also names what is gone.</summary>
    public static IReadOnlyList<Page> All { get; } =
    [
        .. new[] { "README.md", "CONTRIBUTING.md", "SECURITY.md", "bench/README.md", "samples/README.md", "tests/Soak/README.md" }
            .Concat(Below("docs", "*.md")).Order(StringComparer.Ordinal).Select(Read),
    ];

    /// <summary>The C# sources, by their path below the root.</summary>
    public static IReadOnlyDictionary<string, string> Sources { get; } =
        Below("", "*.cs").Where(file => !file.Contains("/Documentation/", StringComparison.Ordinal))
            .ToDictionary(file => file, file => File.ReadAllText(Path.Combine(Root, file)));

    /// <summary>The page at a path below the root.</summary>
    public static Page Read(string file) => new(file, File.ReadAllText(Path.Combine(Root, file)).ReplaceLineEndings("\n"));

    /// <summary>The files below a directory whose names match, without those that a build makes.</summary>
    public static IEnumerable<string> Below(string directory, string pattern) =>
        Directory.EnumerateFiles(Path.Combine(Root, directory), pattern, SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Root, file).Replace('\\', '/'))
            .Where(file => !file.Split('/').Any(part => part is "bin" or "obj" or "artifacts" or ".git"));

    /// <summary>True if there is a file or directory at this path below the root.</summary>
    public static bool Exists(string path) => File.Exists(Path.Combine(Root, path)) || Directory.Exists(Path.Combine(Root, path));
}
