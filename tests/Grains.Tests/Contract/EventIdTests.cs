using System.Globalization;
using System.Text.RegularExpressions;
using Actors.Fixtures;

namespace Actors.Grains.Tests.Contract;

/// <summary>The event ids of the log: operators filter by them.</summary>
public sealed partial class EventIdTests
{
    // The first id of each range, and the one after it.
    private static readonly Dictionary<string, (int From, int To)> Ranges = new(StringComparer.Ordinal)
    {
        ["Grains/Core"] = (1000, 1100),
        ["Grains/Redis"] = (1100, 1300),
        ["Grains/Membership"] = (1300, 1500),
        ["Grains/WriteBehind"] = (1500, 1800),
        ["Grains/RateLimiting"] = (1800, 2000),
        ["Grains/Users"] = (2000, 2100),
        ["Grains/Hosting"] = (2100, 2200),
        ["Silo"] = (3000, 3200),
        ["Embedded"] = (3200, 3300),
        ["Client"] = (7000, 7100),
        ["Cli"] = (8000, 8100),
    };

    [Fact]
    public void Each_log_message_has_an_event_id_of_its_own_in_the_range_of_its_folder()
    {
        var messages = Ranges.SelectMany(range => Messages(range.Key)).ToList();
        Assert.True(messages.Count > 50, $"{messages.Count} messages were found.");
        var problems = messages.Where(message => message.Id is not { } id || id < Ranges[message.Folder].From || id >= Ranges[message.Folder].To)
            .Select(message => $"{message.File}: {message.Id?.ToString(CultureInfo.InvariantCulture) ?? "none"} is not in the range of {message.Folder}")
            .Concat(messages.GroupBy(message => message.Id).Where(same => same.Count() > 1)
                .Select(same => $"{same.Key} is used by {string.Join(", ", same.Select(message => message.File))}"));
        Assert.Empty(string.Join("\n", problems));
    }

    private static IEnumerable<(string Folder, string File, int? Id)> Messages(string folder)
    {
        var root = Path.Combine(Repository.Root, folder);
        foreach (var file in Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories))
        {
            if (Path.GetRelativePath(root, file).Split(Path.DirectorySeparatorChar)[0] is "obj" or "bin") continue;
            foreach (Match message in Message().Matches(File.ReadAllText(file)))
                yield return (folder, Path.GetRelativePath(Repository.Root, file), message.Groups["id"] is { Success: true } id ? int.Parse(id.Value, CultureInfo.InvariantCulture) : null);
        }
    }

    [GeneratedRegex(@"\[LoggerMessage\(\s*(?:(?:EventId = )?(?<id>\d+))?")]
    private static partial Regex Message();
}
