using System.Globalization;
using Actors.Core;
using Actors.Users;
using Actors.WriteBehind;

namespace Actors.Bench.Writes;

/// <summary>The users and patches that all contenders write.</summary>
internal static class SampleUsers
{
    private const int Patches = 1024;

    // Created in advance, because the cost of creating a patch must not be measured.
    private static readonly UserPatch[] Visits =
    [
        .. Enumerable.Range(0, Patches).Select(i => new UserPatch
        {
            Attributes = new()
            {
                ["lastPage"] = $"/shop/item/{i}",
                ["lastSeen"] = (1_790_000_000_000 + i).ToString(CultureInfo.InvariantCulture),
            },
            Increment = new() { ["visits"] = 1 },
        }),
    ];

    public static string Id(int user) => $"user-{user:D8}";

    /// <summary>The initial state of a user.</summary>
    public static UserPatch Profile(int user) => new()
    {
        DisplayName = $"Ada Lovelace {user}",
        Email = $"ada.lovelace.{user}@example.org",
        Attributes = new() { ["plan"] = "pro", ["country"] = "GB" },
        Increment = new() { ["visits"] = 1, ["credits"] = 100 },
        AddTags = ["beta", "newsletter"],
    };

    /// <summary>A small change: two attributes and an increment.</summary>
    public static UserPatch Visit(Random random) => Visits[random.Next(Patches)];

    /// <summary>The change with this number, 0 to 1,023.</summary>
    public static UserPatch VisitOf(int number) => Visits[number];

    /// <summary>The row of a user after <see cref="Profile"/> and <see cref="Visit"/>.</summary>
    public static Row Row(int user)
    {
        var now = DateTimeOffset.FromUnixTimeMilliseconds(1_790_000_000_000);
        var state = UserState.None.Apply(Id(user), Profile(user), null, now).Apply(Id(user), Visits[user % Patches], null, now);
        return UserDocument.ToRow(new Ownership(Id(user), epoch: 1_790_000_000_000_000), state);
    }
}
