using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Actors.Embedded.Integrity;

/// <summary>
/// The data of a directory as a host finds them: nothing is opened before it is known to be whole. On request what is not
/// is moved aside, so that the silo starts without it; nothing is ever deleted.
/// </summary>
/// <param name="path">The directory.</param>
/// <param name="acceptDataLoss">Whether damaged data are moved aside.</param>
/// <param name="logger">Where it says what it moved.</param>
internal sealed partial class DataDirectory(string path, bool acceptDataLoss, ILogger logger)
{
    private StoreFile? _store;

    private string StorePath => Path.Combine(path, "store.json");

    /// <summary>The directory of Redis' data.</summary>
    public string Redis => Path.Combine(path, "redis");

    /// <summary>The SQLite file.</summary>
    public string Database => Path.Combine(path, "actors.db");

    /// <summary>Looks whether this version may use the directory, and whether the database is whole.</summary>
    /// <exception cref="EmbeddedDataException">It is not, or may not be read.</exception>
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

                // Each round leaves fewer files; once all are gone there is nothing to expect.
                MoveAside(damage.Message, [.. damage.Affected.Count > 0 ? damage.Affected : all]);
                if (!File.Exists(Database)) _store = _store is null ? null : _store with { HasDatabase = false };
            }
        }
    }

    /// <summary>Starts Redis by <paramref name="start"/>, without its data if they are damaged and that is accepted.</summary>
    public async Task<EmbeddedRedis> OpenRedisAsync(Func<Task<EmbeddedRedis>> start)
    {
        try
        {
            // Gone as a whole, it looks like a first start.
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

    /// <summary>Notes what is there now.</summary>
    public void Note(EmbeddedParts parts)
    {
        var store = new StoreFile(
            StoreFile.Known,
            parts.HasFlag(EmbeddedParts.Redis) || _store is { HasRedis: true },
            File.Exists(Database) || (_store is { HasDatabase: true } && !parts.HasFlag(EmbeddedParts.Database)));
        if (store != _store) store.Write(StorePath);
        _store = store;
    }

    /// <summary>What the operating system refuses, in a line.</summary>
    public EmbeddedDataException Unusable(Exception error) =>
        new($"The data directory {path} cannot be used: {error.Message}", isDamage: false, error);

    private static EmbeddedDataException Refusal(string what, Exception damage) => new(
        $"{what.TrimEnd('.')}. Put back what was there, or start once with --accept-data-loss: what is damaged is then moved aside"
        + " (never deleted), and what was acknowledged and is nowhere else is lost.",
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

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "{What}. Moved it to {Aside} and start without, as --accept-data-loss says: what was acknowledged and is nowhere else is lost")]
    private static partial void LogMovedAside(ILogger logger, string what, string aside);
}
