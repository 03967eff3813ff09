using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Actors.Embedded.Integrity;

/// <summary>
/// Checks the data of a directory before a host opens it. On request it moves damaged data aside, so that the silo starts
/// without it. It never deletes anything.
/// </summary>
/// <param name="path">The directory.</param>
/// <param name="acceptDataLoss">Whether to move damaged data aside.</param>
/// <param name="logger">The logger for what was moved.</param>
internal sealed partial class DataDirectory(string path, bool acceptDataLoss, ILogger logger)
{
    private StoreFile? _store;

    private string StorePath => Path.Combine(path, "store.json");

    /// <summary>The directory of Redis' data.</summary>
    public string Redis => Path.Combine(path, "redis");

    /// <summary>The SQLite file.</summary>
    public string Database => Path.Combine(path, "actors.db");

    /// <summary>Checks that this version may use the directory and that the database is intact.</summary>
    /// <exception cref="EmbeddedDataException">A check failed, or the data cannot be read.</exception>
    public void Check(EmbeddedParts parts)
    {
        _store = StoreFile.TryRead(StorePath);
        if (_store is { Format: > StoreFile.Known } newer)
        {
            throw new EmbeddedDataException(
                $"{StorePath} is of format {newer.Format}, and this version knows formats up to {StoreFile.Known}: a newer version has"
                + " used the directory. Start that version, or use another data directory (Actors:DataDirectory).",
                isDamage: false);
        }

        if (!parts.HasFlag(EmbeddedParts.Database)) return;
        string[] all = [Database, Database + "-wal", Database + "-shm", new CommitRecord(Database).Path];
        while (true)
        {
            try
            {
                SqliteCheck.Verify(Database, _store is { HasDatabase: true });
                return;
            }
            catch (DamagedFileException damage)
            {
                if (!acceptDataLoss) throw Refusal(damage.Message, damage);

                // Each round leaves fewer files. Once all are gone, no database is expected.
                MoveAside(damage.Message, [.. damage.Affected.Count > 0 ? damage.Affected : all]);
                if (!File.Exists(Database)) _store = _store is null ? null : _store with { HasDatabase = false };
            }
        }
    }

    /// <summary>
    /// Starts Redis with <paramref name="start"/>. If its data is damaged and data loss is accepted, starts it without the
    /// data.
    /// </summary>
    public async Task<EmbeddedRedis> OpenRedisAsync(Func<Task<EmbeddedRedis>> start)
    {
        try
        {
            // If the whole directory is gone, it looks like a first start.
            var sums = new SummedDirectory(Redis).Sums;
            if (_store is { HasRedis: true } && !Directory.Exists(sums))
                throw new EmbeddedDataException($"{(Directory.Exists(Redis) ? sums : Redis)} is missing", isDamage: true);
            return await start();
        }
        catch (EmbeddedDataException damage) when (damage.IsDamage)
        {
            if (!acceptDataLoss) throw Refusal(damage.Message, damage);
            MoveAside(damage.Message, Redis);
            return await start();
        }
    }

    /// <summary>Records the existing parts.</summary>
    public void Note(EmbeddedParts parts)
    {
        var store = new StoreFile(
            StoreFile.Known,
            parts.HasFlag(EmbeddedParts.Redis) || _store is { HasRedis: true },
            File.Exists(Database) || (_store is { HasDatabase: true } && !parts.HasFlag(EmbeddedParts.Database)));
        if (store != _store) store.Write(StorePath);
        _store = store;
    }

    /// <summary>An error of the operating system, in one line.</summary>
    public EmbeddedDataException Unusable(Exception error) =>
        new($"The data directory {path} cannot be used: {error.Message}", isDamage: false, error);

    private static EmbeddedDataException Refusal(string what, Exception damage) => new(
        $"{what.TrimEnd('.')}. Restore the data, or start once with --accept-data-loss: the damaged data is then moved aside"
        + " (never deleted), and acknowledged writes stored nowhere else are lost.",
        isDamage: true,
        damage);

    private void MoveAside(string what, params IReadOnlyList<string> entries)
    {
        var aside = Path.Combine(path, $"damaged-{DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmssfff", CultureInfo.InvariantCulture)}");
        Directory.CreateDirectory(aside);
        foreach (var entry in entries)
        {
            var target = Path.Combine(aside, Path.GetFileName(entry));
            if (Directory.Exists(entry)) Directory.Move(entry, target);
            else if (File.Exists(entry)) File.Move(entry, target);
        }

        LogMovedAside(logger, what, aside);
    }

    [LoggerMessage(EventId = 3202, Level = LogLevel.Warning, Message =
        "{Damage}. Moved it to {Aside} and started without it because of --accept-data-loss; acknowledged writes stored nowhere else are lost")]
    private static partial void LogMovedAside(ILogger logger, string damage, string aside);
}
