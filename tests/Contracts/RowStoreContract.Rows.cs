using System.Globalization;
using System.Text;
using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Contracts;

public abstract partial class RowStoreContract
{
    private const string LongPart = "0123456789";

    public static TheoryData<string> AwkwardKeys =>
    [
        "plain",
        "{tag}:user",
        "}{",
        "*?[a-z]%_\\",
        "it's \"quoted\"; DROP TABLE users; --",
        "$1 @p0 :name",
        "👩‍👩‍👧‍👦 Zoë ß 日本語",
        "e\u0301 is not \u00e9",
        " leading and trailing ",
        "line\nbreak\ttab",
        string.Concat(Enumerable.Repeat(LongPart, 100)),
    ];

    [Fact]
    public async Task New_row_is_read_back_as_written()
    {
        var row = Make("u1", 7, 42, """{"displayName":"Zoë 👋","attributes":{"a":"1"},"counters":{"n":-9007199254740993}}""");

        Assert.Empty(await UpsertAsync(row));

        await AssertStoredAsync(row);
    }

    [Fact]
    public async Task Missing_row_is_read_as_null() => Assert.Null(await Store.ReadAsync("nobody", Token));

    [Fact]
    public async Task Later_version_replaces_an_earlier_one()
    {
        await UpsertAsync(Make("u1", 1));

        // Versions are not dense: only the latest of several changes reaches the database.
        Assert.Empty(await UpsertAsync(Make("u1", 9, 2)));

        await AssertStoredAsync(Make("u1", 9, 2));
    }

    [Fact]
    public async Task Earlier_version_is_rejected_with_the_stored_version()
    {
        await UpsertAsync(Make("u1", 9, 2));

        var refused = Assert.Single(await UpsertAsync(Make("u1", 8, 3)));

        Assert.Equal(("u1", 9L, 2L), (refused.Key, refused.StoredVersion, refused.StoredEpoch));
        await AssertStoredAsync(Make("u1", 9, 2));
    }

    [Fact]
    public async Task Equal_version_of_another_owner_is_rejected()
    {
        await UpsertAsync(Make("u1", 5, 1));

        var refused = Assert.Single(await UpsertAsync(Make("u1", 5, 2, """{"displayName":"Impostor"}""")));

        Assert.Equal((5L, 1L), (refused.StoredVersion, refused.StoredEpoch));
        await AssertStoredAsync(Make("u1", 5, 1));
    }

    [Fact]
    public async Task Same_row_is_accepted_again_without_a_change()
    {
        await UpsertAsync(Make("u1", 5, 1));

        Assert.Empty(await UpsertAsync(Make("u1", 5, 1)));

        await AssertStoredAsync(Make("u1", 5, 1));
    }

    [Fact]
    public async Task Mixed_batch_writes_valid_rows_and_rejects_only_the_others()
    {
        await UpsertAsync(Make("behind", 1), Make("equal", 5), Make("ahead", 9, 8), Make("foreign", 5, 7));

        var refused = await UpsertAsync(
            Make("behind", 2), Make("equal", 5), Make("ahead", 6), Make("foreign", 5), Make("new", 1));

        Assert.Equal(["ahead", "foreign"], refused.Select(row => row.Key).Order(StringComparer.Ordinal));
        Assert.Equal([8L, 7L], refused.OrderBy(row => row.Key, StringComparer.Ordinal).Select(row => row.StoredEpoch));
        await AssertStoredAsync(Make("behind", 2));
        await AssertStoredAsync(Make("equal", 5));
        await AssertStoredAsync(Make("ahead", 9, 8));
        await AssertStoredAsync(Make("foreign", 5, 7));
        await AssertStoredAsync(Make("new", 1));
    }

    [Fact]
    public async Task Empty_batch_is_accepted()
    {
        Assert.Empty(await UpsertAsync());
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task Batch_of_5000_is_written_replaced_and_rejected_as_one()
    {
        Row[] Batch(long version) => [.. Enumerable.Range(0, 5_000).Select(i => Make($"user-{i}", version))];

        Assert.Empty(await UpsertAsync(Batch(1)));
        Assert.Empty(await UpsertAsync(Batch(3)));
        Assert.Equal(5_000, (await UpsertAsync(Batch(2))).Count);

        Assert.Equal(5_000, await CountAsync());
        Assert.Equal(5_000L * 3, Convert.ToInt64(await QueryAsync("SELECT sum(version) FROM users"), CultureInfo.InvariantCulture));
        await AssertStoredAsync(Make("user-4999", 3));
    }

    [Fact]
    public async Task Batches_of_changing_size_do_not_leak_into_each_other()
    {
        foreach (var size in (int[])[300, 1, 40, 0, 300, 2])
            await UpsertAsync(Enumerable.Range(0, size).Select(i => Make($"{size}-{i}", 1)));

        Assert.Equal(300 + 1 + 40 + 2, await CountAsync());
    }

    [Theory]
    [MemberData(nameof(AwkwardKeys))]
    public async Task Any_text_is_a_valid_key(string key)
    {
        var other = Make(key + "x", 1);

        Assert.Empty(await UpsertAsync(Make(key, 1), other));
        Assert.Empty(await UpsertAsync(Make(key, 2)));
        var refused = Assert.Single(await UpsertAsync(Make(key, 1, 9)));

        Assert.Equal(key, refused.Key);
        await AssertStoredAsync(Make(key, 2));
        await AssertStoredAsync(other);
        Assert.Equal(2, await CountAsync());
    }

    [Fact]
    public async Task Keys_differ_by_case_and_by_every_code_point()
    {
        Row[] rows = [.. ((string[])["a", "A", "ä", "a\u0308", "a ", "ａ", "\ud800\udc00", "\uffff"]).Select((key, i) => Make(key, i + 1))];

        // Ordinal order puts surrogate pairs before U+FFFF, unlike a database that sorts by bytes; both must work.
        Assert.Empty(await UpsertAsync(rows));
        Assert.Empty(await UpsertAsync(rows.Select(row => row with { Version = row.Version + 10 })));

        Assert.Equal(rows.Length, await CountAsync());
        foreach (var row in rows)
            await AssertStoredAsync(row with { Version = row.Version + 10 });
    }

    [Fact]
    public async Task Versions_and_epochs_span_all_64_bits()
    {
        await UpsertAsync(Make("u1", long.MaxValue - 1, long.MinValue, "{}"), Make("u2", 1, long.MaxValue));

        Assert.Empty(await UpsertAsync(Make("u1", long.MaxValue, -1, "{}")));

        await AssertStoredAsync(Make("u1", long.MaxValue, -1, "{}"));
        await AssertStoredAsync(Make("u2", 1, long.MaxValue));
    }

    [Fact]
    public async Task Large_state_is_kept_completely()
    {
        var row = Make("u1", 1, 1, $$"""{"displayName":"{{new string('ü', 500_000)}}"}""");

        Assert.Empty(await UpsertAsync(row));

        await AssertStoredAsync(row);
    }

    [Fact]
    public async Task State_may_be_a_slice_of_a_larger_buffer()
    {
        var text = State(3);
        var buffer = Encoding.UTF8.GetBytes($"###{text}###");

        Assert.Empty(await UpsertAsync(new Row("u1", 3, 1, buffer.AsMemory(3, buffer.Length - 6))));

        await AssertStoredAsync(Make("u1", 3));
    }

    [Fact]
    public async Task Derived_columns_follow_the_state()
    {
        await UpsertAsync(Make("u1", 1, 1, """{"displayName":"Ann","email":"ann@example.org","createdAt":1700000000000,"updatedAt":1700000001000}"""));
        await UpsertAsync(Make("u2", 1));

        Assert.Equal("Ann", await QueryAsync("SELECT display_name FROM users WHERE email = 'ann@example.org' AND NOT deleted"));
        Assert.Equal(2L, Convert.ToInt64(await QueryAsync("SELECT count(*) FROM users WHERE created_at < updated_at"), CultureInfo.InvariantCulture));
        Assert.Equal("u1", await QueryAsync(
            "SELECT id FROM users WHERE updated_at > '2023-11-14 22:13:20.5+00:00' AND created_at < '2023-11-15'"));
    }

    [Fact]
    public async Task Tombstone_is_stored_like_any_row()
    {
        await UpsertAsync(Make("u1", 1));
        Assert.Empty(await UpsertAsync(Make("u1", 2, 1, """{"deleted":true,"updatedAt":1700000000000}""")));
        Assert.Single(await UpsertAsync(Make("u1", 1)));

        Assert.Equal(1L, Convert.ToInt64(await QueryAsync("SELECT count(*) FROM users WHERE deleted"), CultureInfo.InvariantCulture));

        Assert.Empty(await UpsertAsync(Make("u1", 3, 4)));
        Assert.Equal(0L, Convert.ToInt64(await QueryAsync("SELECT count(*) FROM users WHERE deleted"), CultureInfo.InvariantCulture));
        await AssertStoredAsync(Make("u1", 3, 4));
    }

    [Fact]
    public async Task Row_rejected_by_the_database_fails_its_batch_with_a_row_error()
    {
        await UpsertAsync(Make("a", 1), Make("z", 1));

        // Not StorageUnavailableException: the database is healthy, and the batch can be bisected.
        var refusal = await Assert.ThrowsAsync<RowsRefusedException>(
            () => UpsertAsync(Make("a", 2), Make("bad", 1, 1, "this is no JSON"), Make("z", 2)));
        Assert.NotEmpty(refusal.Reason);

        Assert.Equal(2, await CountAsync());
        await AssertStoredAsync(Make("a", 1));
        await AssertStoredAsync(Make("z", 1));
        Assert.Empty(await UpsertAsync(Make("a", 2), Make("z", 2)));
    }
}
