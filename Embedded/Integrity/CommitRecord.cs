using System.Globalization;
using System.Text;

namespace Actors.Embedded.Integrity;

/// <summary>
/// Records in a separate file how many transactions a SQLite database has committed. The database counts them too. If its count
/// is lower, it has lost transactions, for example with its write-ahead log, which SQLite would not notice.
/// </summary>
/// <param name="databasePath">The path of the database.</param>
internal sealed class CommitRecord(string databasePath)
{
    private const int IdLength = 32;

    /// <summary>The path of the record.</summary>
    public string Path { get; } = databasePath + ".commits";

    /// <summary>The id of the recorded database and its number of transactions; null if nothing was recorded.</summary>
    /// <exception cref="DamagedFileException">The content of the file is invalid.</exception>
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

    /// <summary>Records a committed transaction. A fixed length and a single write ensure that the record is never half written.</summary>
    public void Write(string id, long commits)
    {
        try
        {
            using var file = File.OpenHandle(Path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
            RandomAccess.Write(file, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id} {commits:D19}\n")), 0);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The transaction is committed anyway; the record lags until the next one.
        }
    }
}
