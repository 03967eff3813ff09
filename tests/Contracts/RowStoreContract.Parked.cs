using System.Globalization;
using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Contracts;

public abstract partial class RowStoreContract
{
    private const string Bad = "poison";

    [Fact]
    public async Task Missing_table_is_not_a_row_error()
    {
        await QueryAsync("DROP TABLE users");

        var error = await Assert.ThrowsAnyAsync<Exception>(() => UpsertAsync(Make("u1", 1)));

        Assert.IsNotType<RowsRefusedException>(error);
    }

    [Fact]
    public async Task Parked_row_is_read_back_unchanged()
    {
        await UpsertAsync(Make("u1", 1));
        var row = Make("u1", 2, 5, """{"displayName":"\u0000 and "}""");

        Assert.Empty(await ParkAsync(row));
        Assert.Empty(await ParkAsync(row));

        var read = await ReadAsync("u1");
        Assert.Equal((2, 5, true), (read.Version, read.Epoch, read.IsParked));
        Assert.Equal(row.State.ToArray(), read.State.ToArray());
        Assert.Equal("why", await Store.Parked.FindReasonAsync("u1", 2, Token));
        Assert.Null(await Store.Parked.FindReasonAsync("u1", 1, Token));
        Assert.Null(await Store.Parked.FindReasonAsync("u1", 3, Token));
        Assert.Null(await Store.Parked.FindReasonAsync("u2", 1, Token));
    }

    [Fact]
    public async Task Parked_and_other_rows_are_read_together()
    {
        await UpsertAsync(Make("both", 1), Make("table", 1));
        await ParkAsync(Make("both", 2), Make("parked", 7));

        var rows = await Store.ReadAsync(["both", "nobody", "parked", "table"], Token);

        Assert.Equal(
            [("both", 2L, true), ("parked", 7L, true), ("table", 1L, false)],
            rows.Select(row => (row.Key, row.Version, row.IsParked)).OrderBy(row => row.Key, StringComparer.Ordinal));
    }

    [Fact]
    public async Task Latest_parked_row_is_kept()
    {
        await ParkAsync(Make("u1", 3));

        var refused = Assert.Single(await ParkAsync(Make("u1", 2, 9)));
        Assert.Equal((3L, 1L), (refused.StoredVersion, refused.StoredEpoch));
        Assert.Single(await ParkAsync(Make("u1", 3, 9)));
        Assert.Empty(await ParkAsync(Make("u1", 4)));

        Assert.Equal(4, (await ReadAsync("u1")).Version);
        Assert.Equal(1, await Store.Parked.CountAsync(Token));
    }

    [Fact]
    public async Task Row_already_in_the_table_is_not_parked()
    {
        await UpsertAsync(Make("same", 3, 1), Make("later", 4, 2), Make("other", 3, 2));

        var refused = await ParkAsync(Make("later", 3, 1), Make("other", 3, 1), Make("same", 3, 1));

        Assert.Equal([(4L, 2L), (3L, 2L), (3L, 1L)], refused.Select(row => (row.StoredVersion, row.StoredEpoch)));
        Assert.Equal(0, await Store.Parked.CountAsync(Token));
    }

    [Fact]
    public async Task Parked_row_fences_like_a_row_in_the_table()
    {
        await UpsertAsync(Make("u1", 1));
        await ParkAsync(Make("u1", 5, 2));

        var refused = await UpsertAsync(Make("u1", 4, 3));
        Assert.Equal((5L, 2L), (Assert.Single(refused).StoredVersion, refused[0].StoredEpoch));
        Assert.Single(await UpsertAsync(Make("u1", 5, 3)));
        Assert.True((await ReadAsync("u1")).IsParked);

        // The same row, which the table now accepts, and a later one.
        Assert.Empty(await UpsertAsync(Make("u1", 5, 2)));
        Assert.False((await ReadAsync("u1")).IsParked);
        Assert.Empty(await UpsertAsync(Make("u1", 6, 3)));
        Assert.Equal(6, (await ReadAsync("u1")).Version);
        Assert.Null(await Store.Parked.FindReasonAsync("u1", 5, Token));
    }

    [Fact]
    public async Task Parked_rows_are_listed_in_pages_and_obsolete_ones_are_removed()
    {
        var keys = Enumerable.Range(0, 7).Select(i => $"u{i}").ToArray();
        await ParkAsync([.. keys.Select((key, i) => Make(key, i + 1))]);
        await UpsertAsync(Make("u3", 9));

        Assert.Equal(6, await Store.Parked.CountAsync(Token));
        var first = await Store.Parked.ListAsync(null, 4, Token);
        var rest = await Store.Parked.ListAsync(first[^1].Key, 4, Token);

        Assert.Equal(keys.Except(["u3"]), first.Concat(rest).Select(row => row.Key));
        Assert.Equal((1L, "why", State(1)), (first[0].Version, first[0].Reason, first[0].State));
        Assert.Equal(State(1).Length, first[0].Bytes);
        Assert.InRange(first[0].ParkedAt, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
    }

    [Fact]
    public async Task Replay_commits_parked_rows_and_drops_obsolete_ones()
    {
        await UpsertAsync(Make("behind", 1), Make("caught-up", 3, 8));
        await ParkAsync(Make("behind", 2), Make("new", 1));
        await QueryAsync("INSERT INTO parked SELECT 'caught-up', 3, epoch, state, reason, parked_at FROM parked WHERE id = 'new'");

        var replayed = await Store.Parked.ReplayAsync(["behind", "caught-up", "missing", "new"], Token);

        Assert.Equal(
            [("behind", 2L, true), ("caught-up", 3L, false), ("new", 1L, true)],
            replayed.Select(row => (row.Key, row.Version, row.IsCommitted)).OrderBy(row => row.Key, StringComparer.Ordinal));
        await AssertStoredAsync(Make("behind", 2));
        await AssertStoredAsync(Make("new", 1));
        Assert.Equal(8, (await ReadAsync("caught-up")).Epoch);
        Assert.Equal(0L, Convert.ToInt64(await QueryAsync("SELECT count(*) FROM parked"), CultureInfo.InvariantCulture));
        Assert.Empty(await Store.Parked.ReplayAsync(["behind"], Token));
    }

    [Fact]
    public async Task Rejected_replay_changes_nothing_until_the_cause_is_fixed()
    {
        await RefuseAsync(Bad);
        Row[] rows = [Make("bad", 1, 1, $$"""{"displayName":"{{Bad}}"}"""), Make("good", 1)];
        await Assert.ThrowsAsync<RowsRefusedException>(() => UpsertAsync(rows));
        await ParkAsync(rows);

        await Assert.ThrowsAsync<RowsRefusedException>(() => Store.Parked.ReplayAsync(["bad", "good"], Token));
        Assert.Equal((2, 0), (await Store.Parked.CountAsync(Token), await CountAsync()));

        await RefuseNothingAsync();
        Assert.All(await Store.Parked.ReplayAsync(["bad", "good"], Token), row => Assert.True(row.IsCommitted));
        Assert.Equal((0, 2), (await Store.Parked.CountAsync(Token), await CountAsync()));
        Assert.False((await ReadAsync("bad")).IsParked);
    }

    [Fact]
    public async Task Concurrent_replays_and_writes_never_revert_a_row()
    {
        const int Keys = 40;
        const int Versions = 30;
        var keys = Enumerable.Range(0, Keys).Select(i => $"key-{i:00}").ToArray();
        var writing = Task.Run(async () =>
        {
            for (var version = 1; version <= Versions; version++)
            {
                var rows = keys.Select(key => Make(key, version)).ToArray();
                Assert.Empty(version % 2 == 0 ? await UpsertAsync(rows) : await ParkAsync(rows));
                var read = await Store.ReadAsync(keys, Token);
                Assert.All(read, row => Assert.Equal(version, row.Version));
                Assert.Equal(Keys, read.Count);
            }
        });
        while (!writing.IsCompleted)
        {
            await Store.Parked.ReplayAsync(keys, Token);
            await Store.Parked.CountAsync(Token);
        }

        await writing;
    }

    private Task<IReadOnlyList<FencedRow>> ParkAsync(params Row[] rows) =>
        Store.Parked.ParkAsync([.. Sorted(rows).Select(row => new RowToPark(row, "why"))], Token);
}
