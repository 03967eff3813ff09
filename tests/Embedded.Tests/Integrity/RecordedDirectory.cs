using System.Text;
using Actors.Core;
using Actors.Embedded.Tests.Integrity;
using Actors.Fixtures;
using Microsoft.Data.Sqlite;
using StackExchange.Redis;

[assembly: AssemblyFixture(typeof(RecordedDirectory))]

namespace Actors.Embedded.Tests.Integrity;

/// <summary>
/// The data directory of a killed silo, copied while the host runs: a checkpoint, a log of several segments behind it, and a
/// database with its write-ahead log. All of it is acknowledged.
/// </summary>
public sealed class RecordedDirectory : IAsyncLifetime
{
    private const int ValueLength = 20_000;
    private const int BytesPerRound = 20 << 20;

    private readonly TemporaryDirectory _live = new("recorded-live");
    private readonly TemporaryDirectory _recorded = new("recorded");
    private readonly TemporaryDirectory _older = new("recorded-older");

    /// <summary>The number of fields of the hash <c>rows</c> in Redis.</summary>
    public int Rows { get; private set; }

    /// <summary>The number of users in the database.</summary>
    public int Users { get; private set; }

    /// <summary>The data files, relative to the directory.</summary>
    public IReadOnlyList<string> Files => [.. FilesOf(_recorded.Path)];

    /// <summary>An earlier copy of the directory.</summary>
    public string Older => _older.Path;

    public async ValueTask InitializeAsync()
    {
        await using var host = await EmbeddedHost.StartOrJoinAsync(_live.Path, null, CancellationToken.None);
        await using var client = await ConnectionMultiplexer.ConnectAsync(host.RedisConnectionString!);
        await using var store = new SqliteRowStore(host.DatabasePath!);
        await store.MigrateAsync(CancellationToken.None);

        // Beyond its limit the log is checkpointed, and the log behind the checkpoint spans several segments.
        for (var written = 0; written < BytesPerRound; written += 100 * ValueLength) await WriteAsync(client.GetDatabase(), store);
        await Eventually.IsTrueAsync(() => Task.FromResult(FilesOf(_live.Path).Any(IsCheckpoint)));
        await FoldLogAsync(host.DatabasePath!);
        await WriteAsync(client.GetDatabase(), store);
        Copy(_live.Path, _older.Path);
        await WriteAsync(client.GetDatabase(), store);
        Copy(_live.Path, _recorded.Path);
    }

    /// <summary>The path of one of <see cref="Files"/>.</summary>
    public string PathOf(string file) => _recorded.File(file);

    /// <summary>Copies the directory for a test to damage.</summary>
    public TemporaryDirectory Copy()
    {
        var copy = new TemporaryDirectory("recorded-copy");
        Copy(_recorded.Path, copy.Path);
        return copy;
    }

    public ValueTask DisposeAsync()
    {
        _live.Dispose();
        _recorded.Dispose();
        _older.Dispose();
        return ValueTask.CompletedTask;
    }

    private static IEnumerable<string> FilesOf(string directory) => Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories)
        .Where(file => new FileInfo(file).Length > 0)
        .Select(file => Path.GetRelativePath(directory, file));

    private static bool IsCheckpoint(string file) =>
        file.Contains("cpr-checkpoints", StringComparison.Ordinal) && file.Contains("info.dat", StringComparison.Ordinal);

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            // The host holds this file open, and it is empty.
            if (file.EndsWith(".lock", StringComparison.Ordinal)) continue;
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            using var source = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var copy = File.Create(target);
            source.CopyTo(copy);
        }
    }

    // Distributes the data over the database file and its log.
    private static async Task FoldLogAsync(string database)
    {
        await using var connection = new SqliteConnection($"Data Source={database};Pooling=False");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA wal_checkpoint(TRUNCATE)";
        await command.ExecuteNonQueryAsync();
    }

    private async Task WriteAsync(IDatabase redis, SqliteRowStore store)
    {
        var value = new byte[ValueLength];
        new Random(Rows).NextBytes(value);
        var writes = Enumerable.Range(Rows, 100).Select(n => redis.HashSetAsync("rows", $"row-{n}", value)).ToList();
        var commit = redis.ExecuteAsync(EmbeddedRedis.CommitCommand);
        await Task.WhenAll(writes);
        await commit;
        Rows += writes.Count;
        var rows = Enumerable.Range(Users, 100)
            .Select(n => new Row($"user-{n:D6}", 1, 1, Encoding.UTF8.GetBytes($$"""{"displayName":"{{new string('x', 300)}}"}"""))).ToList();
        Assert.Empty(await store.UpsertAsync(rows, CancellationToken.None));
        Users += rows.Count;
    }
}
