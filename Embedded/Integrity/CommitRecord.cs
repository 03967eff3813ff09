using System.Globalization;
using System.Text;

namespace Actors.Embedded.Integrity;

/// <summary>
/// How many transactions a SQLite file has committed, in a file beside it. The database counts them, too; one that counts
/// fewer has lost some, for instance with its write-ahead log, which SQLite would not notice.
/// </summary>
/// <param name="databasePath">The path of the database.</param>
internal sealed class CommitRecord(string databasePath)
{
    private const int IdLength = 32;

    /// <summary>The file.</summary>
    public string Path { get; } = databasePath + ".commits";

    /// <summary>The database that was written to and its transactions; null if none was recorded.</summary>
    /// <exception cref="DamagedFileException">The file holds something else.</exception>
    public (string Id, long Commits)? TryRead()
    {
        string text;
        try
        {
            text = File.ReadAllText(Path);
        }
        catch (FileNotFoundException)
        {
            return null;
        }

        return text.Length > IdLength + 1 && text[IdLength] == ' '
            && long.TryParse(text.AsSpan(IdLength + 1).TrimEnd(), NumberStyles.None, CultureInfo.InvariantCulture, out var commits)
                ? (text[..IdLength], commits)
                : throw new DamagedFileException(Path, "does not hold a number of transactions") { Affected = [Path] };
    }

    /// <summary>Records a transaction once it is committed. Of one length and in one write, so that it is never half written.</summary>
    public void Write(string id, long commits)
    {
        try
        {
            using var file = File.OpenHandle(Path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
            RandomAccess.Write(file, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id} {commits:D19}\n")), 0);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The transaction is committed all the same; the record lags until the next one.
        }
    }
}
