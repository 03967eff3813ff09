using Actors.Contracts;
using Actors.Users;
using Actors.WriteBehind;
using CsCheck;

namespace Actors.Grains.Tests.Users;

public sealed class UserDocumentTests
{
    [Fact]
    public void Any_user_survives_a_round_trip_through_its_row() =>
        AnyUser.State("id").Sample(
            state =>
            {
                var row = UserDocument.ToRow(new Ownership("id", epoch: 42), state);

                Assert.Equal(("id", state.Version, 42L), (row.Key, row.Version, row.Epoch));
                Assert.Equal(AnyUser.Describe(state), AnyUser.Describe(UserDocument.FromRow(row)));
            },
            iter: 2_000);

    [Fact]
    public void User_written_in_1970_survives_a_round_trip()
    {
        var state = UserState.None.Apply("id", new() { DisplayName = "first" }, "request", DateTimeOffset.UnixEpoch);

        Assert.Equal(AnyUser.Describe(state), AnyUser.Describe(UserDocument.FromRow(UserDocument.ToRow(new Ownership("id", epoch: 1), state))));
    }

    [Fact]
    public void Largest_tombstone_is_within_the_limit_of_a_user()
    {
        // A delete must never fail because of its size.
        var (state, now) = (UserState.None.Apply("id", new(), null, AnyUser.Start), AnyUser.Start);
        for (var i = 0; i < UserLimits.RememberedRequests; i++)
        {
            var request = new string('\u0001', UserLimits.MaxRequestIdBytes - 2) + $"{i:00}";
            state = i % 2 == 0 ? state.Delete(request, now) : state.Apply("id", new(), request, now);
        }

        var row = UserDocument.ToRow(new Ownership("id", epoch: 1), state.Delete(null, now));
        Assert.InRange(row.State.Length, 1, UserLimits.MaxUserBytes);
    }
}
