using Actors.Users;

namespace Actors.Grains.Tests.Users;

/// <summary>The estimated size of users compared with their memory.</summary>
public sealed class UserSizeTests
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UnixEpoch;

    public static TheoryData<string> Kinds => new(States.Keys);

    private static Dictionary<string, Func<int, UserState>> States { get; } = new()
    {
        ["many small attributes"] = i => UserState.None.Apply($"u{i}", new() { Attributes = Names(250).ToDictionary(n => n + i, string? (n) => n) }, null, Now),
        ["large attributes"] = i => UserState.None.Apply($"u{i}", new() { Attributes = Names(12).ToDictionary(n => n, string? (n) => new string('x', 4000)) }, null, Now),
        ["counters"] = i => UserState.None.Apply($"u{i}", new() { Increment = Names(250).ToDictionary(n => n + i, _ => 1L) }, null, Now),
        ["tags"] = i => UserState.None.Apply($"u{i}", new() { AddTags = [.. Names(250).Select(n => n + i)] }, null, Now),
        ["requests"] = i => Enumerable.Range(0, 32).Aggregate(
            UserState.None, (state, r) => state.Apply("u", new() { DisplayName = "x" }, $"{i}-{r}-{new string('r', 40)}", Now)),
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Estimated_size_of_a_user_is_at_least_its_memory_and_not_much_more(string kind)
    {
        // Large enough that concurrent tests do not matter.
        const long Enough = 100 << 20;
        var count = (int)(Enough / UserSize.Of(States[kind](0)));
        var states = new UserState[count];
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 0; i < count; i++) states[i] = States[kind](i);
        var taken = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.InRange((double)states.Sum(UserSize.Of) / taken, 0.85, 2.5);
    }

    [Fact]
    public void Missing_user_has_size_zero() => Assert.Equal(0, UserSize.Of(UserState.None));

    private static IEnumerable<string> Names(int count) => Enumerable.Range(0, count).Select(i => $"n{i}");
}
