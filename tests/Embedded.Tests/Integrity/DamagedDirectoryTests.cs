using Actors.Fixtures;
using Microsoft.Data.Sqlite;
using StackExchange.Redis;

namespace Actors.Embedded.Tests.Integrity;

/// <summary>A damaged data directory is refused by name, or holds every acknowledged write.</summary>
public sealed class DamagedDirectoryTests(RecordedDirectory recorded)
{
    public enum Damage
    {
        Deleted,
        CutByATenth,
        ZerosInTheMiddle,
        OneBitFlipped,
        AllOverwritten,
        OlderCopy,
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Directory_of_a_killed_host_holds_every_acknowledged_write()
    {
        using var directory = recorded.Copy();
        Assert.Contains(recorded.Files, file => file.EndsWith("aof.log.1", StringComparison.Ordinal));
        Assert.Contains(recorded.Files, file => file.EndsWith("info.dat.0", StringComparison.Ordinal));
        await AssertWholeAsync(directory);
    }

    [Theory]
    [InlineData(Damage.Deleted)]
    [InlineData(Damage.CutByATenth)]
    [InlineData(Damage.ZerosInTheMiddle)]
    [InlineData(Damage.OneBitFlipped)]
    [InlineData(Damage.AllOverwritten)]
    [InlineData(Damage.OlderCopy)]
    public async Task Damage_to_any_file_is_reported_by_name_or_harmless(Damage damage)
    {
        var directory = recorded.Copy();
        var refused = 0;
        try
        {
            foreach (var file in recorded.Files.Where(file => !IsExpendable(file)))
            {
                var path = directory.File(file);
                var before = await File.ReadAllBytesAsync(path, Token);
                if (!Do(damage, file, path, before)) continue;
                try
                {
                    await AssertWholeAsync(directory);
                    directory.Dispose();
                    directory = recorded.Copy();
                    continue;
                }
                catch (EmbeddedDataException error)
                {
                    Assert.True(error.IsDamage, error.Message);
                    Assert.Contains(Path.GetFileNameWithoutExtension(file), error.Message, StringComparison.Ordinal);
                    Assert.Contains("--accept-data-loss", error.Message, StringComparison.Ordinal);
                    Assert.DoesNotContain('\n', error.Message);
                    refused++;
                }

                // Temporary files of SQLite are removed as well.
                foreach (var other in recorded.Files.Where(other => other.StartsWith("actors.db", StringComparison.Ordinal)))
                    File.Copy(recorded.PathOf(other), directory.File(other), overwrite: true);
                await File.WriteAllBytesAsync(path, before, Token);
            }

            Assert.True(refused > 2, $"Only {refused} files were refused.");
            await AssertWholeAsync(directory);
        }
        finally
        {
            directory.Dispose();
        }
    }

    [Theory]
    [InlineData("redis")]
    [InlineData("redis/sums")]
    [InlineData("redis/AOF")]
    [InlineData("redis/Store")]
    public async Task Missing_part_is_refused(string part)
    {
        using var directory = recorded.Copy();
        Directory.Delete(directory.File(part), recursive: true);
        var error = await Assert.ThrowsAsync<EmbeddedDataException>(() => StartAsync(directory));
        Assert.Contains(directory.File(part), error.Message, StringComparison.Ordinal);
        Assert.Contains("is missing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Emptied_Redis_data_is_refused()
    {
        using var directory = recorded.Copy();
        Directory.Delete(directory.File("redis"), recursive: true);
        Directory.CreateDirectory(directory.File("redis"));
        await Assert.ThrowsAsync<EmbeddedDataException>(() => StartAsync(directory));
    }

    [Fact]
    public async Task Missing_database_files_are_reported()
    {
        using var directory = recorded.Copy();
        await using (await StartAsync(directory)) { }
        foreach (var file in Directory.GetFiles(directory.Path, "actors.db*")) File.Delete(file);
        var error = await Assert.ThrowsAsync<EmbeddedDataException>(() => StartAsync(directory));
        Assert.Contains("actors.db is missing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damaged_Redis_data_is_moved_aside_on_request()
    {
        using var directory = recorded.Copy();
        var log = Assert.Single(Directory.GetFiles(directory.File("redis"), "aof.log.1", SearchOption.AllDirectories));
        File.Delete(log);

        await using (var host = await StartAsync(directory, acceptDataLoss: true))
        {
            Assert.Equal(0, await RowsAsync(host));
            Assert.Equal(recorded.Users, await UsersAsync(host));
        }

        var aside = Assert.Single(Directory.GetDirectories(directory.Path, "damaged-*"));
        Assert.True(Directory.Exists(Path.Combine(aside, "redis", "sums")));
        await using var again = await StartAsync(directory);
    }

    [Fact]
    public async Task Damaged_database_is_moved_aside_on_request()
    {
        using var directory = recorded.Copy();
        File.Delete(directory.File("actors.db-wal"));
        await File.WriteAllTextAsync(directory.File("actors.db"), new string('x', 100_000), Token);

        await using (var host = await StartAsync(directory, acceptDataLoss: true))
        {
            Assert.Equal(recorded.Rows, await RowsAsync(host));
            Assert.Equal(0, await UsersAsync(host));
        }

        var aside = Assert.Single(Directory.GetDirectories(directory.Path, "damaged-*"));
        Assert.Equal(100_000, new FileInfo(Path.Combine(aside, "actors.db")).Length);
        await using var again = await StartAsync(directory);
    }

    [Fact]
    public async Task Older_database_is_used_on_request()
    {
        using var directory = recorded.Copy();
        File.Delete(directory.File("actors.db-wal"));
        await using var host = await StartAsync(directory, acceptDataLoss: true);
        Assert.True(await UsersAsync(host) < recorded.Users);
        Assert.True(File.Exists(directory.File("actors.db")));
    }

    [Fact]
    public async Task Data_without_checksums_is_accepted()
    {
        using var directory = recorded.Copy();
        Directory.Delete(directory.File("redis/sums"), recursive: true);
        File.Delete(directory.File("store.json"));
        await using (var host = await StartAsync(directory)) Assert.Equal(recorded.Rows, await RowsAsync(host));

        // New data gets checksums.
        var log = Directory.GetFiles(directory.File("redis"), "snapshot.obj.dat*", SearchOption.AllDirectories).First(file => !file.EndsWith(".sums", StringComparison.Ordinal));
        File.Delete(log);
        await Assert.ThrowsAsync<EmbeddedDataException>(() => StartAsync(directory));
    }

    [Fact]
    public async Task Directory_of_a_newer_version_is_refused()
    {
        using var directory = recorded.Copy();
        await File.WriteAllTextAsync(directory.File("store.json"), """{"format":2,"redis":true,"database":true,"more":1}""", Token);
        var error = await Assert.ThrowsAsync<EmbeddedDataException>(() => StartAsync(directory, acceptDataLoss: true));
        Assert.False(error.IsDamage);
        Assert.Contains("newer version", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("embedded.lock")]
    [InlineData("actors.db")]
    [InlineData("store.json")]
    public async Task Directory_in_place_of_a_file_is_reported_by_name(string file)
    {
        using var directory = new TemporaryDirectory("embedded");
        Directory.CreateDirectory(directory.File(file));
        var error = await Assert.ThrowsAsync<EmbeddedDataException>(() => StartAsync(directory));
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("redis")]
    public async Task File_in_place_of_a_directory_is_reported_by_name(string name)
    {
        using var parent = new TemporaryDirectory("embedded");
        var directory = parent.File("data");
        if (name.Length > 0) Directory.CreateDirectory(directory);
        await File.WriteAllTextAsync(Path.Combine(directory, name).TrimEnd('/'), "a file", Token);
        var error = await Assert.ThrowsAsync<EmbeddedDataException>(() => EmbeddedHost.StartOrJoinAsync(directory, null, Token));
        Assert.Contains(directory, error.Message, StringComparison.Ordinal);
    }

    private static bool IsExpendable(string file) => file is "embedded.json" or "store.json" or "actors.db-shm" || file.EndsWith(".lock", StringComparison.Ordinal);

    // False if the damage changes neither the file nor an acknowledged write.
    private bool Do(Damage damage, string file, string path, byte[] before)
    {
        var bytes = (byte[])before.Clone();
        var middle = bytes.Length / 2;
        switch (damage)
        {
            case Damage.Deleted:
                File.Delete(path);

                // Only the record is damaged: the database still shows the data.
                if (file == "actors.db.commits")
                {
                    File.WriteAllBytes(path, before);
                    return false;
                }

                return true;
            case Damage.CutByATenth:
                bytes = bytes[..^Math.Max(1, bytes.Length / 10)];
                break;
            case Damage.ZerosInTheMiddle:
                bytes.AsSpan(middle, Math.Min(4096, bytes.Length - middle)).Clear();
                break;
            case Damage.OneBitFlipped:
                // SQLite keeps no checksum of the content of a page.
                if (file == "actors.db") return false;
                bytes[middle] ^= 8;
                break;
            case Damage.AllOverwritten:
                bytes.AsSpan().Fill((byte)'x');
                break;
            case Damage.OlderCopy:
                var older = Path.Combine(recorded.Older, file);
                if (!File.Exists(older) || file == "actors.db.commits") return false;
                bytes = File.ReadAllBytes(older);
                break;
        }

        if (bytes.AsSpan().SequenceEqual(before)) return false;
        File.WriteAllBytes(path, bytes);
        return true;
    }

    private async Task AssertWholeAsync(TemporaryDirectory directory)
    {
        await using var host = await StartAsync(directory);
        Assert.Equal(recorded.Rows, await RowsAsync(host));
        Assert.Equal(recorded.Users, await UsersAsync(host));
    }

    private static async Task<long> RowsAsync(EmbeddedHost host)
    {
        await using var client = await ConnectionMultiplexer.ConnectAsync(host.RedisConnectionString!);
        return await client.GetDatabase().HashLengthAsync("rows");
    }

    private static async Task<long> UsersAsync(EmbeddedHost host)
    {
        await using (var store = new SqliteRowStore(host.DatabasePath!)) await store.MigrateAsync(Token);
        await using var connection = new SqliteConnection($"Data Source={host.DatabasePath};Pooling=False");
        await connection.OpenAsync(Token);
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM users";
        return (long)(await command.ExecuteScalarAsync(Token))!;
    }

    private static Task<EmbeddedHost> StartAsync(TemporaryDirectory directory, bool acceptDataLoss = false) =>
        EmbeddedHost.StartOrJoinAsync(directory.Path, EmbeddedParts.All, acceptDataLoss, null, Token);
}
