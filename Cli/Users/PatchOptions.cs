using System.CommandLine;
using System.Globalization;
using Actors.Cli.Commands;
using Actors.Cli.Output;

namespace Actors.Cli.Users;

/// <summary>The options that define the changes to a user.</summary>
internal sealed class PatchOptions
{
    private readonly Option<string?> _name = OptionKinds.Word("--name", "The display name; empty removes it.", "NAME");
    private readonly Option<string?> _email = OptionKinds.Word("--email", "The e-mail address; empty removes it.", "EMAIL");
    private readonly Option<string[]> _attributes = OptionKinds.Repeated("--attr", "Set an attribute.", "k=v");
    private readonly Option<string[]> _removedAttributes = OptionKinds.Repeated("--unset", "Remove an attribute.", "k");
    private readonly Option<string[]> _increments = OptionKinds.Repeated("--incr", "Add to a counter (k=-n to subtract).", "k=n");
    private readonly Option<string[]> _tags = OptionKinds.Repeated("--tag", "Add a tag.", "T");
    private readonly Option<string[]> _removedTags = OptionKinds.Repeated("--untag", "Remove a tag.", "T");

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_name, _email, _attributes, _removedAttributes, _increments, _tags, _removedTags])
            command.Add(option);
    }

    /// <exception cref="UsageException">A value is invalid, two values contradict each other, or no value is given.</exception>
    public UserPatch Read(ParseResult parsed)
    {
        var patch = new UserPatch
        {
            DisplayName = parsed.GetValue(_name),
            Email = parsed.GetValue(_email),
            Attributes = ReadAttributes(parsed),
            Increment = ReadIncrements(parsed),
            AddTags = ReadTags(parsed, _tags),
            RemoveTags = ReadTags(parsed, _removedTags),
        };
        if (patch is { AddTags: { } added, RemoveTags: { } removed } && added.FirstOrDefault(removed.Contains) is { } both)
            throw new UsageException($"tag '{Text.Short(both)}' is in both --tag and --untag");
        if (patch == new UserPatch())
            throw new UsageException("nothing to set; use at least one of --name, --email, --attr, --unset, --incr, --tag, --untag");
        return patch;
    }

    private Dictionary<string, string?>? ReadAttributes(ParseResult parsed)
    {
        var attributes = new Dictionary<string, string?>();
        foreach (var given in parsed.GetValue(_attributes) ?? [])
        {
            var (name, value) = Split("--attr", given, "k=v");
            if (!attributes.TryAdd(name, value))
                throw new UsageException($"--attr sets '{Text.Short(name)}' twice");
        }
        foreach (var name in parsed.GetValue(_removedAttributes) ?? [])
        {
            if (attributes.TryGetValue(name, out var value) && value is not null)
                throw new UsageException($"attribute '{Text.Short(name)}' is in both --attr and --unset");
            attributes[name] = null;
        }
        return attributes.Count == 0 ? null : attributes;
    }

    private Dictionary<string, long>? ReadIncrements(ParseResult parsed)
    {
        var increments = new Dictionary<string, long>();
        foreach (var given in parsed.GetValue(_increments) ?? [])
        {
            var (name, value) = Split("--incr", given, "k=n");
            if (!long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var amount))
            {
                throw new UsageException($"--incr '{Text.Short(given)}': '{Text.Short(value)}' is not a 64-bit integer; " +
                    "expected k=n, for example logins=1");
            }
            if (!increments.TryAdd(name, amount))
                throw new UsageException($"--incr names '{Text.Short(name)}' twice");
        }
        return increments.Count == 0 ? null : increments;
    }

    private static HashSet<string>? ReadTags(ParseResult parsed, Option<string[]> option) =>
        parsed.GetValue(option) is { Length: > 0 } tags ? [.. tags] : null;

    private static (string Name, string Value) Split(string option, string given, string expected)
    {
        var at = given.IndexOf('=', StringComparison.Ordinal);
        return at > 0
            ? (given[..at], given[(at + 1)..])
            : throw new UsageException($"{option} '{Text.Short(given)}': expected {expected}");
    }
}
