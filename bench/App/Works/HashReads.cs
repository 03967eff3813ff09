using System.Globalization;
using Actors.Bench.Writes;
using StackExchange.Redis;

namespace Actors.Bench.App.Works;

/// <summary>The peer of reads: HGETALL of hashes with the fields of a user, by one multiplexer.</summary>
internal sealed class HashReads(AppSettings settings) : AppWork<HashEntry[]>
{
    private readonly RedisKey[] _keys = [.. AppUsers.Ids.Select(id => (RedisKey)$"{settings.Name}-hash-{id}")];
    private ConnectionMultiplexer? _redis;
    private IDatabase? _database;
    private int _fields;

    public override async Task PrepareAsync()
    {
        _redis = await ConnectionMultiplexer.ConnectAsync(settings.Redis);
        _database = _redis.GetDatabase();
        _fields = Fields(0).Length;
        await Callers.EachAsync(256, AppUsers.Count, i => _database.HashSetAsync(_keys[i], Fields(i)));
    }

    public override ValueTask<HashEntry[]> CallAsync(Random random) => new(_database!.HashGetAllAsync(_keys[random.Next(_keys.Length)]));

    public override bool IsExpected(HashEntry[] answer) => answer.Length == _fields;

    public override ValueTask DisposeAsync() => _redis?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static HashEntry[] Fields(int user)
    {
        var profile = SampleUsers.Profile(user);
        var now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        return
        [
            new("version", 1), new("displayName", profile.DisplayName), new("email", profile.Email),
            .. profile.Attributes!.Select(each => new HashEntry($"attribute:{each.Key}", each.Value)),
            .. profile.Increment!.Select(each => new HashEntry($"counter:{each.Key}", each.Value.ToString(CultureInfo.InvariantCulture))),
            new("tags", string.Join(',', profile.AddTags!)), new("createdAt", now), new("updatedAt", now),
        ];
    }
}
