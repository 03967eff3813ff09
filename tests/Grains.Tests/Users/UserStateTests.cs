using Actors.Contracts;
using Actors.Users;
using CsCheck;

namespace Actors.Grains.Tests.Users;

public sealed class UserStateTests
{
    private static readonly DateTimeOffset Now = AnyUser.Start;

    [Fact]
    public void Any_sequence_of_changes_matches_a_simple_model() =>
        AnyUser.Change.Array[0, 80].Sample(
            changes =>
            {
                var (state, model, now) = (UserState.None, new UserModel(), Now);
                foreach (var change in changes)
                {
                    now += change.After;
                    var known = model.VersionOf(change.RequestId, now);
                    Assert.Equal(known, state.VersionOf(change.RequestId, now));
                    if (known is not null) continue;

                    var before = AnyUser.Describe(state);
                    var next = Try(state, change, now);
                    Assert.Equal(model.TryDo(change, now), next is not null);
                    Assert.Equal(before, AnyUser.Describe(state));
                    if (next is null) continue;
                    Assert.Equal(state.Version + 1, next.Version);
                    Assert.Equal(AnyUser.Describe(model.ToState("id", now)), AnyUser.Describe(next));
                    state = next;
                }
            },
            iter: 1_500);

    [Fact]
    public void Request_id_is_forgotten_after_32_later_ones_and_not_before()
    {
        var state = UserState.None.Apply("id", new(), "first", Now);
        for (var i = 1; i < UserLimits.RememberedRequests; i++) state = state.Apply("id", new(), $"r{i}", Now);

        // Writes without a request id evict no id.
        for (var i = 0; i < 100; i++) state = state.Apply("id", new(), null, Now);
        Assert.Equal(1, state.VersionOf("first", Now));

        Assert.Null(state.Delete("one more", Now).VersionOf("first", Now));
        Assert.Equal(2, state.Delete("one more", Now).VersionOf("r1", Now));
    }

    [Fact]
    public void Request_id_is_forgotten_after_10_minutes_and_not_before()
    {
        var state = UserState.None.Apply("id", new(), "request", Now);
        var end = Now + UserLimits.RequestIdMemory;

        Assert.Equal(1, state.VersionOf("request", end - TimeSpan.FromMilliseconds(1)));
        Assert.Null(state.VersionOf("request", end));
        Assert.Empty(state.Apply("id", new(), null, end).Requests);
        Assert.Equal(2, state.Apply("id", new(), "request", end).VersionOf("request", end));
    }

    [Fact]
    public void Clock_set_back_forgets_no_request_id()
    {
        var state = UserState.None.Apply("id", new(), "request", Now);

        Assert.Equal(1, state.Apply("id", new(), null, Now.AddDays(-1)).VersionOf("request", Now.AddDays(-1)));
    }

    [Theory]
    [InlineData(long.MaxValue, 1)]
    [InlineData(long.MinValue, -1)]
    [InlineData(5, long.MaxValue)]
    public void Counter_beyond_its_range_is_rejected_with_name_and_value(long value, long amount)
    {
        var state = UserState.None.Apply("id", new() { Increment = new() { ["n"] = value } }, null, Now);

        var error = Assert.Throws<InvalidUserException>(() => state.Apply("id", new() { Increment = new() { ["n"] = amount } }, null, Now));

        Assert.Contains($"'n' is {value}", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{amount}", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{long.MinValue} to {long.MaxValue}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Comparers_of_caller_collections_are_ignored()
    {
        var state = UserState.None.Apply("id", new() { Attributes = new() { ["a"] = "1" }, AddTags = ["t"] }, null, Now);
        var patch = new UserPatch
        {
            Attributes = new(StringComparer.OrdinalIgnoreCase) { ["A"] = "2" },
            AddTags = new(["U"], StringComparer.OrdinalIgnoreCase),
            RemoveTags = new(["T"], StringComparer.OrdinalIgnoreCase),
        };

        var user = state.Apply("id", patch, null, Now).User!;

        Assert.Equal(["A", "a"], user.Attributes.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(["U", "t"], user.Tags.Order(StringComparer.Ordinal));
    }

    private static UserState? Try(UserState state, Change change, DateTimeOffset now)
    {
        try
        {
            return change.Patch is { } patch ? state.Apply("id", patch, change.RequestId, now) : state.Delete(change.RequestId, now);
        }
        catch (InvalidUserException)
        {
            return null;
        }
    }
}
