using Actors.Core;
using Actors.WriteBehind;

namespace Actors.Contracts;

public abstract partial class JournalContract
{
    [Theory]
    [MemberData(nameof(AwkwardKeys))]
    public async Task Next_owner_reads_the_journaled_row_for_any_key(string key)
    {
        var (owner, none) = await Here.ClaimAsync(key);
        Assert.Null(none);
        var row = Make(owner, Beyond53Bits);
        Assert.Equal(AppendOutcome.Journaled, await Here.AppendAsync(row));

        var (next, found) = await Open("there").ClaimAsync(key);

        AssertSame(row, found);
        Assert.True(next.Epoch > owner.Epoch);
        AssertSame(row, Assert.Single(await AdoptAsync(Here, "there")));
    }

    [Fact]
    public async Task Keys_differ_by_every_character()
    {
        string[] keys = ["k", "K", "k ", "k\u0301", "{k}", "k1"];
        var owners = new List<Ownership>();
        foreach (var key in keys) owners.Add((await Here.ClaimAsync(key)).Owner);
        await Task.WhenAll(owners.Select((owner, i) => Here.AppendAsync(Make(owner, i + 1))));

        for (var i = 0; i < keys.Length; i++) AssertSame(Make(owners[i], i + 1), (await Here.ClaimAsync(keys[i])).Row);
    }

    [Fact]
    public async Task State_of_any_bytes_is_kept()
    {
        var (owner, _) = await Here.ClaimAsync("bytes");
        byte[] state = [.. Enumerable.Range(0, 100_000).Select(i => (byte)i)];
        await Here.AppendAsync(new Row("bytes", 1, owner.Epoch, state));

        Assert.Equal(state, (await Here.ClaimAsync("bytes")).Row!.State.ToArray());
    }

    [Fact]
    public async Task Previous_owner_is_fenced_before_the_next_is_acknowledged()
    {
        var (first, _) = await Here.ClaimAsync("k");
        Assert.Equal(AppendOutcome.Journaled, await Here.AppendAsync(Make(first, 1)));
        var (second, _) = await Open("there").ClaimAsync("k");

        Assert.Equal(AppendOutcome.Fenced, await Here.AppendAsync(Make(first, 2)));
        Assert.Equal(AppendOutcome.Journaled, await Here.AppendAsync(Make(second, 2)));
        Assert.Equal(AppendOutcome.Fenced, await Here.AppendAsync(Make(first, 3)));
        AssertSame(Make(second, 2), (await Here.ClaimAsync("k")).Row);
    }

    [Fact]
    public async Task Two_owners_of_one_key_are_distinguished_in_one_batch()
    {
        var (first, _) = await Here.ClaimAsync("k");
        var (second, _) = await Here.ClaimAsync("k");

        // Appends that arrive while a call is in flight join one batch, so most of these do.
        var appends = Enumerable.Range(1, 300)
            .Select(version => (Version: version, Owner: version % 2 == 0 ? first : second))
            .Select(each => (each.Owner, Outcome: Here.AppendAsync(Make(each.Owner, each.Version)))).ToList();

        foreach (var (owner, outcome) in appends)
            Assert.Equal(owner == second ? AppendOutcome.Journaled : AppendOutcome.Fenced, await outcome);
        AssertSame(Make(second, 299), (await Here.ClaimAsync("k")).Row);
    }

    [Fact]
    public async Task Versions_beyond_the_precision_of_a_double_are_distinguished()
    {
        var (owner, _) = await Here.ClaimAsync("k");
        foreach (var version in (long[])[9, Beyond53Bits, Beyond53Bits + 1, long.MaxValue])
        {
            Assert.Equal(AppendOutcome.Journaled, await Here.AppendAsync(Make(owner, version)));
            await TrimAsync(Here, owner, version - 1);
            AssertSame(Make(owner, version), await RowAsync("k"));
        }
    }

    [Fact]
    public async Task Late_append_stores_nothing()
    {
        // A late append of an abandoned connection, after the server hung and a later append used the next connection.
        var (owner, _) = await Here.ClaimAsync("k");
        Assert.Equal(AppendOutcome.Journaled, await Here.AppendAsync(Make(owner, 1)));
        await using var look = await LookAsync();
        var late = await look.AppendAsync("here", 1, Make(owner, 1));
        Assert.Contains("LATE", late, StringComparison.Ordinal);
        Assert.Equal(AppendOutcome.Journaled, await Here.AppendAsync(Make(owner, 2)));
        Assert.Contains("LATE", await look.AppendAsync("here", 2, Make(owner, 1)), StringComparison.Ordinal);
        AssertSame(Make(owner, 2), await RowAsync("k"));
        Assert.Null(await look.AppendAsync("another silo", 1, Make(owner, 3)));
    }

    [Fact]
    public async Task Trim_removes_rows_up_to_its_version_only()
    {
        var (owner, _) = await Here.ClaimAsync("k");
        await Here.AppendAsync(Make(owner, Beyond53Bits));

        await TrimAsync(Here, owner, Beyond53Bits - 1);
        AssertSame(Make(owner, Beyond53Bits), await RowAsync("k"));
        await TrimAsync(Here, owner, Beyond53Bits);
        Assert.Null(await RowAsync("k"));

        // The owner keeps the key.
        Assert.Equal(AppendOutcome.Journaled, await Here.AppendAsync(Make(owner, Beyond53Bits + 1)));
        AssertSame(Make(owner, Beyond53Bits + 1), await RowAsync("k"));
    }

    [Fact]
    public async Task Released_and_flushed_key_leaves_nothing_in_either_order()
    {
        var (first, _) = await Here.ClaimAsync("released first");
        await Here.AppendAsync(Make(first, 1));
        await Here.ReleaseAsync(first);
        await TrimAsync(Here, first, 1);
        var (second, _) = await Here.ClaimAsync("flushed first");
        await Here.AppendAsync(Make(second, 1));
        await TrimAsync(Here, second, 1);
        await Here.ReleaseAsync(second);

        await using var look = await LookAsync();
        Assert.Equal((0, 0), (await look.LengthAsync("owners"), await look.LengthAsync("rows")));
    }

    [Fact]
    public async Task Released_owner_is_fenced_and_a_fenced_owner_cannot_release_its_successor()
    {
        var (first, _) = await Here.ClaimAsync("k");
        var (second, _) = await Here.ClaimAsync("k");
        await Here.ReleaseAsync(first);
        Assert.Equal(AppendOutcome.Journaled, await Here.AppendAsync(Make(second, 1)));
        await Here.ReleaseAsync(second);
        Assert.Equal(AppendOutcome.Fenced, await Here.AppendAsync(Make(second, 2)));
        AssertSame(Make(second, 1), (await Here.ClaimAsync("k")).Row);
    }

    [Fact]
    public async Task Rows_of_dead_silos_are_adopted_and_those_of_live_silos_are_not()
    {
        // More than one page of the scan, in all partitions.
        const int Keys = 1_300;
        Journal[] silos = [Open("gone-1"), Open("gone-2"), Open("living")];
        var journaled = await Task.WhenAll(Enumerable.Range(0, Keys).Select(async i =>
        {
            var silo = silos[i % 3];
            var (owner, _) = await silo.ClaimAsync($"key-{i} 👋");
            var row = Make(owner, Beyond53Bits + i);

            // Some keys are only claimed, some are released.
            if (i % 10 == 0) return (Silo: i % 3, Owner: owner, Row: null);
            await silo.AppendAsync(row);
            if (i % 10 == 1) await silo.ReleaseAsync(owner);
            return (Silo: i % 3, Owner: owner, Row: (Row?)row);
        }));

        var adopted = (await AdoptAsync(Here, "gone-1", "gone-2")).ToDictionary(row => row.Key);

        var expected = journaled.Where(each => each.Silo < 2 && each.Row is not null).ToList();
        Assert.Equal(expected.Count, adopted.Count);
        Assert.All(expected, each => AssertSame(each.Row, adopted[each.Owner.Key]));

        // The adopted owners are fenced; the others are not.
        foreach (var each in journaled.Where((_, i) => i % 50 == 0 || i % 10 > 1))
        {
            var outcome = await silos[each.Silo].AppendAsync(Make(each.Owner, long.MaxValue - 1));
            Assert.Equal(each.Silo == 2 ? AppendOutcome.Journaled : AppendOutcome.Fenced, outcome);
        }

        Assert.Empty(await AdoptAsync(Open("another"), "gone-1", "gone-2"));
    }

    [Fact]
    public async Task Adoption_can_be_repeated_after_a_lost_response()
    {
        // The response to an adoption may be lost; its rows belong to this silo, which must find them.
        var gone = Open("gone");
        var (owner, _) = await gone.ClaimAsync("k");
        await gone.AppendAsync(Make(owner, 1));
        Assert.Single(await AdoptAsync(Here, "gone"));

        AssertSame(Make(owner, 1), Assert.Single(await AdoptAsync(Here, "gone")));
        await TrimAsync(Here, owner, 1);
        Assert.Empty(await AdoptAsync(Here, "gone"));
    }

    [Fact]
    public async Task Adoption_does_not_affect_users_of_the_adopting_silo()
    {
        var (owner, _) = await Here.ClaimAsync("mine");
        await Here.AppendAsync(Make(owner, 1));

        Assert.Empty(await AdoptAsync(Here, "gone"));
        Assert.Equal(AppendOutcome.Journaled, await Here.AppendAsync(Make(owner, 2)));
    }

    [Fact]
    public async Task Failover_that_lost_recent_writes_never_reuses_an_epoch()
    {
        var (before, _) = await Here.ClaimAsync("k");
        await using var look = await LookAsync();

        // The server comes back in a state from before the claim.
        await look.SetEpochAsync("k", before.Epoch - 1);
        await look.ForgetOwnerAsync("k");

        var (after, _) = await Open("there").ClaimAsync("k");
        Assert.True(after.Epoch > before.Epoch);
        Assert.Equal(AppendOutcome.Fenced, await Here.AppendAsync(Make(before, 1)));
    }

    [Fact]
    public async Task Epochs_grow_even_if_the_server_clock_is_behind_them()
    {
        await using var look = await LookAsync();
        await look.SetEpochAsync("k", 8_000_000_000_000_000);

        var (first, _) = await Here.ClaimAsync("k");
        var (second, _) = await Here.ClaimAsync("k");

        Assert.Equal((8_000_000_000_000_001, 8_000_000_000_000_002), (first.Epoch, second.Epoch));
    }

    private async Task<Row?> RowAsync(string key)
    {
        await using var look = await LookAsync();
        return await look.RowAsync(key);
    }
}
