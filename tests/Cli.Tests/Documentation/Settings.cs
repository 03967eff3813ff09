using System.Text.RegularExpressions;

namespace Actors.Cli.Tests.Documentation;

/// <summary>The settings there are, read from the sources of the option classes.</summary>
internal sealed partial class Settings
{
    private readonly Dictionary<string, string> _sections = [];
    private readonly Dictionary<string, Dictionary<string, string>> _classes = [];

    private Settings(IEnumerable<string> sources)
    {
        foreach (var source in sources)
        {
            var type = "";
            foreach (Match match in Declaration().Matches(source))
            {
                if (match.Groups["class"] is { Success: true } name)
                    _classes[type = name.Value] = [];
                else if (match.Groups["section"] is { Success: true } section)
                    _sections[section.Value] = type;
                else if (type.Length > 0)
                    _classes[type][match.Groups["property"].Value] = match.Groups["type"].Value;
            }
        }
    }

    /// <summary>The sections and their settings, e.g. Actors:Cache:TimeToLive.</summary>
    public IEnumerable<string> All => _sections.SelectMany(section => _classes[section.Value].Keys.Select(name => $"{section.Key}:{name}"));

    public static Settings Read() => new(Pages.Sources.Values.Where(source => Section().IsMatch(source)));

    /// <summary>True if a key like <c>Actors:RateLimits:Policies:search:Windows:0:Limit</c> is one, or a section.</summary>
    public bool Has(string key)
    {
        if (_sections.ContainsKey(key)) return true;
        var section = _sections.Keys.Where(name => key.StartsWith(name + ":", StringComparison.Ordinal)).MaxBy(name => name.Length);
        return section is not null && IsMember(_sections[section], key[(section.Length + 1)..].Split(':'));
    }

    private bool IsMember(string type, ReadOnlySpan<string> path)
    {
        if (!_classes.TryGetValue(type, out var properties) || !properties.TryGetValue(path[0], out var property)) return false;
        path = path[1..];
        // The name of an entry, or its index.
        if (path.Length > 0 && ElementOf().Match(property) is { Success: true } element)
            return path.Length == 1 || IsMember(element.Groups[1].Value, path[1..]);
        return path.Length == 0;
    }

    [GeneratedRegex("""const string Section(?:Name)? = "Actors""")]
    private static partial Regex Section();

    [GeneratedRegex("""
        \bclass (?<class>\w+)|const string Section(?:Name)? = "(?<section>[^"]+)"|public (?<type>[\w<>,?\[\] ]+) (?<property>\w+) \{ get;
        """)]
    private static partial Regex Declaration();

    [GeneratedRegex(@"(?:Dictionary<string, |List<|^)(\w+)(?:>|\[\])")]
    private static partial Regex ElementOf();
}
