using System.Globalization;
using System.Text;
using Actors.Users;
using CsCheck;

namespace Actors.Contracts;

/// <summary>One change of a user: a patch, or a delete if null, some time after the previous one.</summary>
internal sealed record Change(UserPatch? Patch, string? RequestId, TimeSpan After);

/// <summary>Generators of users and changes, with many awkward texts.</summary>
internal static class AnyUser
{
    public static readonly DateTimeOffset Start = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly string[] Pieces =
    [
        "a", "B", "7", " ", "é", "e\u0301", "日本", "👋", "👩‍👩‍👧", "\"", "'", "\\", "\\u0041", "/", "\n", "\r\n", "\t", "\u0001", "\u001f",
        "\u007f", "\u2028", "\uffff", "\ufeff", "{", "}", "[", "*", "?", "%", "<b>", "&", "$1", ";--", "null",
    ];

    public static Gen<string> Text { get; } = Gen.OneOf(Pieces).Array[0, 8].Select(string.Concat);

    // Few names, so that changes collide.
    public static Gen<string> Name { get; } = Gen.OneOf("a", "A", "b", "é👋", "{}", "\"\n", "deleted", "version", " ");

    private static Gen<long> Amount { get; } = Gen.OneOf(
        Gen.Long[-5, 5],
        Gen.OneOf(long.MinValue, long.MaxValue, 0L, -1L, 9007199254740993L, -9007199254740993L),
        Gen.Long);

    private static Gen<string> Email { get; } = Gen.Select(Name, Text, (name, text) =>
        name + "@" + text.Replace("@", "", StringComparison.Ordinal) + "x");

    private static Gen<UserPatch> Patch { get; } = Gen.Select(
        OrNull(Text),
        OrNull(Gen.OneOf(Gen.Const(() => ""), Email)),
        OrNull(Pairs(OrNull(Text))),
        OrNull(Pairs(Amount)),
        OrNull(Names),
        OrNull(Names),
        (name, email, attributes, increment, add, remove) => new UserPatch
        {
            DisplayName = name,
            Email = email,
            Attributes = attributes,
            Increment = increment,
            AddTags = add,
            RemoveTags = remove,
        });

    private static Gen<HashSet<string>> Names => Name.Array[0, 4].Select(names => names.ToHashSet());

    private static Gen<TimeSpan> Pause { get; } = Gen.OneOf(
        Gen.Const(TimeSpan.Zero),
        Gen.Int[0, 5_000].Select(ms => TimeSpan.FromMilliseconds(ms)),
        Gen.Int[0, 12].Select(minutes => TimeSpan.FromMinutes(minutes)));

    private static Gen<string?> RequestId { get; } = OrNull(Gen.OneOf(Gen.Int[0, 4], Gen.Int[0, 400])
        .Select(n => string.Create(CultureInfo.InvariantCulture, $"\"r{n}\"é")));

    public static Gen<Change> Change { get; } = Gen.Select(
        Gen.Frequency((5, Patch.Select(patch => (UserPatch?)patch)), (1, Gen.Const(() => (UserPatch?)null))),
        RequestId,
        Pause,
        (patch, request, after) => new Change(patch, request, after));

    /// <summary>Any state reached by a sequence of changes.</summary>
    public static Gen<UserState> State(string id) => Change.Array[1, 40].Select(changes => After(id, changes));

    /// <summary>The whole state as canonical text.</summary>
    public static string Describe(UserState state)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"version {state.Version}");
        if (state.User is { } user)
        {
            text.Append(CultureInfo.InvariantCulture, $"\nuser {user.Id} {user.Version} {user.CreatedAt:O} {user.UpdatedAt:O} {user.IsPossiblyStale}");
            text.Append(CultureInfo.InvariantCulture, $"\nname {user.DisplayName ?? "(null)"}\nemail {user.Email ?? "(null)"}");
            foreach (var (name, value) in user.Attributes.OrderBy(each => each.Key, StringComparer.Ordinal))
                text.Append(CultureInfo.InvariantCulture, $"\nattribute {name} = {value}");
            foreach (var (name, value) in user.Counters.OrderBy(each => each.Key, StringComparer.Ordinal))
                text.Append(CultureInfo.InvariantCulture, $"\ncounter {name} = {value}");
            foreach (var tag in user.Tags.Order(StringComparer.Ordinal))
                text.Append(CultureInfo.InvariantCulture, $"\ntag {tag}");
        }

        foreach (var request in state.Requests)
            text.Append(CultureInfo.InvariantCulture, $"\nrequest {request.Id} made {request.Version} at {request.At:O}");
        return text.ToString();
    }

    private static UserState After(string id, Change[] changes)
    {
        var (state, now) = (UserState.None, Start);
        foreach (var change in changes)
        {
            now += change.After;
            try
            {
                state = change.Patch is { } patch ? state.Apply(id, patch, change.RequestId, now) : state.Delete(change.RequestId, now);
            }
            catch (InvalidUserException)
            {
                // A counter is at its limit; the state is unchanged.
            }
        }

        return state;
    }

    private static Gen<Dictionary<string, T>> Pairs<T>(Gen<T> value) => Gen.Select(Name, value).Array[0, 4].Select(pairs =>
        pairs.DistinctBy(pair => pair.Item1).ToDictionary(pair => pair.Item1, pair => pair.Item2));

    private static Gen<T?> OrNull<T>(Gen<T> gen)
        where T : class? => Gen.Frequency((1, Gen.Const(() => (T?)null)), (1, gen.Select(value => (T?)value)));
}
