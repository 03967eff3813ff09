using System.Globalization;
using Actors.Cli.Output;

namespace Actors.Cli.Users;

/// <summary>A user as text, one value per line.</summary>
internal static class UserView
{
    private const int NameWidth = 14;

    public static void Write(User user, Terminal terminal)
    {
        void Line(string name, string value) => terminal.WriteLine(name.PadRight(NameWidth) + Text.Printable(value));

        Line("id", user.Id);
        Line("version", user.Version.ToString(CultureInfo.InvariantCulture));
        if (user.DisplayName is { } name)
            Line("name", name);
        if (user.Email is { } email)
            Line("email", email);
        foreach (var (key, value) in user.Attributes.OrderBy(a => a.Key, StringComparer.Ordinal))
            Line("attribute", $"{key}={value}");
        foreach (var (key, value) in user.Counters.OrderBy(c => c.Key, StringComparer.Ordinal))
            Line("counter", string.Create(CultureInfo.InvariantCulture, $"{key}={value}"));
        foreach (var tag in user.Tags.Order(StringComparer.Ordinal))
            Line("tag", tag);
        Line("created", Text.Of(user.CreatedAt));
        Line("updated", Text.Of(user.UpdatedAt));
        if (user.IsPossiblyStale)
            Line("note", "possibly stale: Redis is unreachable, and a dead silo may have journaled later writes there");
    }
}
