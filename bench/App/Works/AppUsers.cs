using Actors.Bench.Writes;

namespace Actors.Bench.App.Works;

/// <summary>The users of the app and what it writes to them, made in advance because making them is not measured.</summary>
internal static class AppUsers
{
    public const int Count = 10_000;

    private static readonly UserPatch[] Visits =
        [.. Enumerable.Range(0, 1024).Select(i => SampleUsers.VisitOf(i) with { DisplayName = $"Ada Lovelace {i}" })];

    public static string[] Ids { get; } = [.. Enumerable.Range(0, Count).Select(SampleUsers.Id)];

    /// <summary>A name, two attributes and an increment.</summary>
    public static UserPatch Visit(Random random) => Visits[random.Next(Visits.Length)];
}
