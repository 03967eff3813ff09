using System.Collections;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using Orleans.Serialization.Invocation;

namespace Actors.Grains.Tests.Contract;

public sealed class SerializationTests : IDisposable
{
    // One of each type; no member has its default value.
    private static readonly object[] Examples =
    [
        new User
        {
            Id = "👋 {id}",
            Version = long.MaxValue,
            DisplayName = "Zoë \"\\\n",
            Email = "a@b",
            Attributes = new Dictionary<string, string> { ["a"] = "", ["é👋"] = "2" },
            Counters = new Dictionary<string, long> { ["min"] = long.MinValue, ["max"] = long.MaxValue },
            Tags = new HashSet<string> { "t", "T" },
            CreatedAt = new(2025, 1, 2, 3, 4, 5, 6, TimeSpan.Zero),
            UpdatedAt = new(2026, 1, 2, 3, 4, 5, 7, TimeSpan.Zero),
            IsPossiblyStale = true,
        },
        new UserPatch
        {
            DisplayName = "",
            Email = "a@b",
            Attributes = new() { ["set"] = "v", ["removed"] = null, ["empty"] = "" },
            Increment = new() { ["n"] = -1 },
            AddTags = ["a", "b"],
            RemoveTags = [""],
        },
        new WriteOptions { Durability = Durability.Database, ExpectedVersion = 0, RequestId = "r" },
        new WriteReceipt { Version = 7, Durability = Durability.Database },
        Durability.Database,
        new InvalidUserException("what is wrong"),
        new VersionConflictException("id", 3, 4),
        new OverloadedException("too much", TimeSpan.FromMilliseconds(1234)),
        new StorageUnavailableException("Redis and the database", "down") { MayHaveTakenEffect = true },
        new UnexpectedErrorException("a defect") { MayHaveTakenEffect = true },
        new SiloDeath { Silo = "S127.0.0.1:1:1", Ago = TimeSpan.FromSeconds(3) },
        new SiloNotFoundException("no such silo"),
        new WriteParkedException("id", 5, "why"),
        Parked,
        new ParkedPage { Rows = [Parked], Total = 2, Next = "k" },
        new ReplayResult { Committed = 1, Superseded = 2, Refused = 3, Missing = 4, Refusals = [Refusal] },
        Refusal,
        Report.Breaker!,
        Report.Breaker!.Circuits[0],
        Report.Breaker!.Latency,
        Report.Breaker!.Transitions[0],
        Report.Breaker!.Circuits[0].Health!,
        BreakerState.Open,
        RedisPersistence.Log,
        WriteBehindState.Refusing,
        new ClusterStatus { Silos = [Report], StoppingSilos = ["127.0.0.1:2@1"], MembershipVersion = 3 },
        Report,
        Report.Users,
        Report.WriteBehind,
        Report.Cache,
        Report.Cache.Redis,
        Report.RateLimits,
        new RateLimitRequest { Policy = "p", Permits = 2, RequestId = "r", MaxWait = TimeSpan.FromSeconds(3), CallId = Guid.NewGuid() },
        Decision,
        Decision.Window,
        RateLimitSource.Local,
        new RateLimitPolicy { Name = "p", Windows = [Decision.Window], OnRedisDown = RedisDownBehavior.Deny, IsShadow = true },
        RedisDownBehavior.Allow,
        new InvalidRateLimitException("what is wrong"),
        new LimiterMovedException("why"),
        new SiloEvictedException("why"),
        new CallMessage(7, [GrainId.Create("user", "a")], [], 9, [true]),
        new CallAnswers([null, Response.Completed], 2, Homes, [0]),
        Homes,
        new LateAnswer(7, 3, Response.Completed),
        new UnusedGrant("p", 2, DateTimeOffset.UnixEpoch.AddSeconds(3)) { CallId = Guid.NewGuid() },
    ];

    private readonly ServiceProvider _services = new ServiceCollection()
        .AddSerializer(serializer => serializer.AddAssembly(typeof(User).Assembly)).BuildServiceProvider();

    public static TheoryData<string> Types => [.. WireType.All.Where(type => !type.Type.IsAbstract).Select(type => type.Type.FullName!)];

    private static HomeSilos Homes
    {
        get
        {
            var silo = SiloAddress.New(IPAddress.Loopback, 11_111, 3);
            return new(9, silo, [silo], 3);
        }
    }

    private static ParkedRow Parked => new()
    {
        Key = "k",
        Version = 3,
        Reason = "why",
        ParkedAt = DateTimeOffset.UnixEpoch.AddSeconds(1),
        Bytes = 4,
        State = "{}",
    };

    private static RateLimitDecision Decision => new()
    {
        IsAllowed = true,
        Policy = "p",
        Window = new(1, TimeSpan.FromSeconds(2)),
        Windows = [new(1, TimeSpan.FromSeconds(2)), new(3, TimeSpan.FromSeconds(4))],
        Remaining = 5,
        RetryAfter = TimeSpan.FromSeconds(6),
        ResetAfter = TimeSpan.FromSeconds(7),
        Source = RateLimitSource.Local,
        DecidedAt = DateTimeOffset.UnixEpoch.AddSeconds(8),
        IsShadowDenial = true,
    };

    private static RefusedReplay Refusal => new() { Key = "k", Reason = "why" };

    private static SiloReport Report => new()
    {
        Silo = "S127.0.0.1:1:1",
        IsResponding = true,
        Version = "1.2.3",
        Uptime = TimeSpan.FromDays(1),
        WriteBehind = new()
        {
            MemoryWrites = 1,
            JournalWrites = 2,
            DatabaseWrites = 3,
            FlushedBatches = 4,
            FlushedRows = 5,
            UnflushedRows = 6,
            UnflushedBytes = 7,
            OldestUnflushed = TimeSpan.FromSeconds(8),
            FenceHits = 9,
            JournalCommits = 10,
            State = WriteBehindState.Slowing,
            MaxUnflushedBytes = 11,
            JournaledRows = 12,
            RecoveredRows = 13,
            FlushFailures = 14,
            LastFlushError = "it is away",
            LastFlushErrorAt = DateTimeOffset.UnixEpoch.AddDays(22),
            RecoveredVersion = 23,
            FlushP50 = TimeSpan.FromMilliseconds(15),
            FlushP99 = TimeSpan.FromMilliseconds(16),
            RefusedWrites = 17,
            SlowedWrites = 18,
            ParkedRows = 20,
            HeldRows = 21,
        },
        RateLimits = new()
        {
            Clients = 1,
            Allowed = 2,
            Denied = 3,
            ShadowDenied = 4,
            Local = 5,
            Mirrored = 6,
            Waiting = 7,
            ScriptCalls = 8,
            Bytes = 9,
            MaxBytes = 10,
            Unsynced = 11,
        },
        Users = new() { Active = 1, Bytes = 2, MaxBytes = 3, Shed = 4, Refused = 5 },
        Cache = new()
        {
            Memory = new() { Hits = 1, Misses = 2 },
            Redis = new() { Hits = 3, Misses = 4 },
            Database = new() { Hits = 5, Misses = 6 },
        },
        Breaker = new()
        {
            Silo = "127.0.0.1:1@1",
            Circuits =
            [
                new()
                {
                    Address = "127.0.0.1:6379",
                    Roles = ["journal", "cache"],
                    State = BreakerState.Isolated,
                    Since = DateTimeOffset.UnixEpoch,
                    FailureRatio = 0.5,
                    Latency = new()
                    {
                        Calls = 3,
                        P50 = TimeSpan.FromMilliseconds(1),
                        P95 = TimeSpan.FromMilliseconds(2),
                        P99 = TimeSpan.FromMilliseconds(3),
                    },
                    LastError = "no answer in time",
                    LastErrorAt = DateTimeOffset.UnixEpoch.AddDays(13),
                    NextProbe = DateTimeOffset.UnixEpoch.AddSeconds(1),
                    Transitions =
                    [
                        new() { At = DateTimeOffset.UnixEpoch, From = BreakerState.Open, To = BreakerState.HalfOpen, Reason = "the break is over" },
                    ],
                    Calls = 1,
                    Failures = 2,
                    Rejected = 3,
                    Health = new()
                    {
                        At = DateTimeOffset.UnixEpoch,
                        Version = "7.0.15",
                        Uptime = TimeSpan.FromSeconds(1),
                        UsedMemory = 1,
                        MaxMemory = 2,
                        ConnectedClients = 3,
                        EvictedKeys = 4,
                        KeyspaceHits = 5,
                        KeyspaceMisses = 6,
                        MaxMemoryPolicy = "noeviction",
                        Persistence = RedisPersistence.Snapshots,
                    },
                },
            ],
        },
    };

    [Theory]
    [MemberData(nameof(Types))]
    public void Message_survives_serialization(string type)
    {
        var sent = Example(type);
        var serializer = _services.GetRequiredService<Serializer>();

        // As object, like the arguments and results of a call.
        AssertSame(sent, serializer.Deserialize<object>(serializer.SerializeToArray<object>(sent)));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Copy_for_a_local_call_equals_the_message(string type) =>
        AssertSame(Example(type), _services.GetRequiredService<DeepCopier>().Copy(Example(type)));

    [Fact]
    public void Empty_user_and_empty_patch_survive_serialization()
    {
        var serializer = _services.GetRequiredService<Serializer>();
        object[] sent = [new User { Id = "", Version = 0, CreatedAt = default, UpdatedAt = default }, new UserPatch(), new WriteOptions()];
        Assert.All(sent, each => AssertSame(each, serializer.Deserialize<object>(serializer.SerializeToArray<object>(each))));
    }

    [Fact]
    public void Message_of_a_thrown_error_survives_serialization()
    {
        var serializer = _services.GetRequiredService<Serializer>();
        var thrown = Assert.Throws<OverloadedException>((Action)Overload);

        var arrived = serializer.Deserialize<Exception>(serializer.SerializeToArray<Exception>(thrown));

        Assert.Equal(TimeSpan.FromSeconds(3), Assert.IsType<OverloadedException>(arrived).RetryAfter);
        Assert.Contains(nameof(Overload), arrived.StackTrace, StringComparison.Ordinal);
    }

    private static void Overload() => throw new OverloadedException("too much", TimeSpan.FromSeconds(3));

    public void Dispose() => _services.Dispose();

    private static object Example(string type)
    {
        var example = Assert.Single(Examples, each => each.GetType().FullName == type);
        foreach (var member in WireType.All.Single(wire => wire.Type.FullName == type).Members)
        {
            var value = WireType.ValueOf(member, example);
            Assert.NotEqual(value?.GetType().IsValueType == true && member.Name != nameof(WriteOptions.ExpectedVersion) ? Activator.CreateInstance(value.GetType()) : null, value);
        }

        return example;
    }

    private static void AssertSame(object sent, object? arrived)
    {
        Assert.NotNull(arrived);
        Assert.Equal(sent.GetType(), arrived.GetType());
        Assert.Equal(Describe(sent), Describe(arrived));
    }

    private static string Describe(object? value) => value switch
    {
        null => "null",
        string text => $"'{text}'",
        IDictionary entries => Join(entries.Keys.Cast<string>().Select(key => $"{key}={Describe(entries[key])}")),
        IEnumerable items => Join(items.Cast<object?>().Select(Describe)),
        Enum => $"{value:D}",
        Exception error => $"{error.Message} {Members(error)}",
        _ when value.GetType().Assembly == typeof(User).Assembly => Members(value),
        IFormattable number => number.ToString(number is DateTimeOffset ? "O" : null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    private static string Members(object value) => Join(WireType.All.Single(type => type.Type == value.GetType()).Members
        .Select(member => $"{member.Name}: {Describe(WireType.ValueOf(member, value))}"));

    private static string Join(IEnumerable<string> parts) => $"[{string.Join(", ", parts.Order(StringComparer.Ordinal))}]";
}
