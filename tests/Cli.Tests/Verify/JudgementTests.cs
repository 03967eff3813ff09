using System.Text;
using System.Text.Json;
using Actors.Cli.Load;
using Actors.Cli.Verify;

namespace Actors.Cli.Tests.Verify;

public sealed class JudgementTests
{
    private const string Demanded = """{"attributes":{"load":"t5"}}""";
    private const string Right = """{"displayName":"x","attributes":{"load":"t5","other":"y"},"tags":[],"createdAt":1,"updatedAt":2}""";
    private const string Other = """{"attributes":{"load":"t6"},"createdAt":1,"updatedAt":2}""";

    [Theory]
    [InlineData(5, Right, 5, Right)]
    [InlineData(7, Other, 7, Other)]
    public void Acknowledged_or_later_version_is_correct(long cluster, string inCluster, long database, string inDatabase) =>
        Assert.Empty(Judge(At(cluster, inCluster), At(database, inDatabase)));

    [Fact]
    public void User_must_be_in_cluster_and_database()
    {
        Offends(Judge(null, At(5, Right)), (Offence.Missing, "not in the cluster; version 5"));
        Offends(Judge(At(5, Right), null), (Offence.Missing, "not in the database; version 5"));
        Offends(Judge(null, null), (Offence.Missing, "not in the cluster"), (Offence.Missing, "not in the database"));
    }

    [Fact]
    public void Earlier_version_is_stale_in_cluster_or_database() =>
        Assert.Multiple(
            () => Offends(Judge(At(4, Other), At(4, Other)), (Offence.Stale, "the cluster has version 4"), (Offence.Stale, "the database has version 4")),
            () => Offends(Judge(At(5, Right), At(4, Other)), (Offence.Stale, "the database has version 4"), (Offence.Wrong, "the cluster has version 5, the database 4")),
            () => Offends(Judge(At(4, Other), At(5, Right)), (Offence.Stale, "the cluster has version 4"), (Offence.Wrong, "the cluster has version 4, the database 5")));

    [Fact]
    public void Acknowledged_version_must_hold_the_written_state()
    {
        Offends(Judge(At(5, Other), At(5, Other)),
            (Offence.Wrong, "version 5 in the cluster: state.attributes.load is \"t6\", not \"t5\""), (Offence.Wrong, "version 5 in the database"));
        Offends(Judge(At(5, Right), At(5, Other)),
            (Offence.Wrong, "version 5 in the database"), (Offence.Wrong, "different states of version 5"));
    }

    [Fact]
    public void Cluster_and_database_must_agree_on_later_versions_too()
    {
        Offends(Judge(At(7, Other), At(6, Other)), (Offence.Wrong, "the cluster has version 7, the database 6"));
        Offends(Judge(At(7, Other), At(7, Right)), (Offence.Wrong, "different states of version 7"));
    }

    [Fact]
    public void Version_acknowledged_twice_is_always_wrong()
    {
        var user = new LedgerUser("u");
        foreach (var version in (long[])[3, 5, 4, 3])
            user.Add(Entry(version, Demanded));
        Offends(Judgement.Of(user, At(5, Right).Against(user), At(5, Right).Against(user)), (Offence.Wrong, "version 3 was acknowledged twice"));
    }

    [Fact]
    public void Delete_leaves_a_tombstone_in_the_database_and_no_user_in_the_cluster()
    {
        const string Tombstone = """{"deleted":true}""";
        Assert.Empty(Judge(null, At(6, Tombstone)));
        Assert.Empty(Judge(null, At(5, Tombstone), Tombstone));
        Offends(Judge(null, At(5, Tombstone)), (Offence.Wrong, "state.attributes is missing"));
        Offends(Judge(null, At(4, Tombstone)), (Offence.Stale, "the database has version 4"));
        Offends(Judge(At(6, Other), At(6, Tombstone)), (Offence.Wrong, "deleted in the database at version 6"));
        Offends(Judge(At(5, Right), At(5, Right), Tombstone),
            (Offence.Wrong, "state.deleted is missing"), (Offence.Wrong, "state.deleted is missing"));
    }

    [Theory]
    [InlineData("""{"a":1}""", """{"a":1,"b":2}""", null)]
    [InlineData("""{"a":{}}""", """{"a":{"x":"y"}}""", null)]
    [InlineData("""{"a":null}""", """{}""", null)]
    [InlineData("""{"t":["x","y"]}""", """{"t":["z","y","x"]}""", null)]
    [InlineData("""{"a":1}""", """{"a":1.0}""", null)]
    [InlineData("""{"a":1}""", """{"a":"1"}""", "state.a is \"1\", not 1")]
    [InlineData("""{"a":{"b":1}}""", """{"a":{}}""", "state.a.b is missing")]
    [InlineData("""{"a":{"b":1}}""", """{"a":[]}""", "state.a is [], not {\"b\":1}")]
    [InlineData("""{"t":["x"]}""", """{"t":["y"]}""", "state.t does not contain \"x\"")]
    [InlineData("""{"a":9007199254740993}""", """{"a":9007199254740992}""", "state.a is 9007199254740992")]
    public void State_may_hold_more_than_required_but_not_less(string demanded, string actual, string? expected)
    {
        using var d = JsonDocument.Parse(demanded);
        using var a = JsonDocument.Parse(actual);
        var difference = StateSubset.Difference(d.RootElement, a.RootElement);
        if (expected is null)
            Assert.Null(difference);
        else
            Assert.StartsWith(expected, difference, StringComparison.Ordinal);
    }

    [Fact]
    public void User_equals_its_row_in_any_JSON_layout()
    {
        var user = new User
        {
            Id = "u",
            Version = 5,
            DisplayName = "Zoë \"<z>\"",
            Attributes = new Dictionary<string, string> { ["b"] = "é", ["a"] = "1" },
            Counters = new Dictionary<string, long> { ["n"] = 3 },
            Tags = new HashSet<string> { "x", "y" },
            CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123),
            UpdatedAt = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_456),
        };
        const string Row = """
            {"tags": ["y", "x"], "counters": {"n": 3}, "requests": [1], "attributes": {"a": "1", "b": "\u00e9"},
             "createdAt": 1700000000123, "updatedAt": 1700000000456, "displayName": "Zo\u00eb \"<z>\""}
            """;
        var demanded = Bytes("""{"attributes":{"b":"é"}}""");
        Assert.Equal(StoredState.Of(user, demanded), StoredState.Of(5, Bytes(Row), demanded));
        Assert.NotEqual(StoredState.Of(user, demanded).Digest, StoredState.Of(user with { Email = "a@b" }, demanded).Digest);
    }

    private static IReadOnlyList<Finding> Judge(Held? cluster, Held? database, string demanded = Demanded)
    {
        var user = new LedgerUser("u");
        user.Add(Entry(2, """{"attributes":{"load":"t2"}}"""));
        user.Add(Entry(5, demanded));
        return Judgement.Of(user, cluster?.Against(user), database?.Against(user));
    }

    private static LedgerEntry Entry(long version, string state) => new("u", version, Durability.Journal, Bytes(state));

    private static Held At(long version, string state) => new(version, state);

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static void Offends(IReadOnlyList<Finding> findings, params (Offence Offence, string Reason)[] expected)
    {
        Assert.Equal(expected.Select(e => e.Offence), findings.Select(f => f.Offence));
        Assert.All(findings.Zip(expected), pair => Assert.Contains(pair.Second.Reason, pair.First.Reason, StringComparison.Ordinal));
    }

    /// <summary>The state of a user before the required state is known.</summary>
    private sealed record Held(long Version, string State)
    {
        public StoredState Against(LedgerUser user) => StoredState.Of(Version, Bytes(State), user.State);
    }
}
