using Actors.Users;
using Actors.WriteBehind;
using CsCheck;

namespace Actors.Contracts;

public abstract partial class RowStoreContract
{
    [Fact]
    public Task Any_user_survives_a_round_trip_through_the_table() =>
        AnyUser.State("u").Array[50].SampleAsync(
            async states =>
            {
                var rows = Sorted(states.Select(state => UserDocument.ToRow(new Ownership($"u-{Guid.NewGuid():n}", epoch: 7), state)));
                Assert.Empty(await Store.UpsertAsync(rows, Token));
                foreach (var row in rows)
                {
                    // UserDocumentTests cover the JSON round trip; this includes the database.
                    Assert.Equal(AnyUser.Describe(UserDocument.FromRow(row)), AnyUser.Describe(UserDocument.FromRow(await ReadAsync(row.Key))));
                }
            },
            iter: 6,
            threads: 1);
}
