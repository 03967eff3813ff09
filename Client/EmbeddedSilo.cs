using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors;

/// <summary>
/// The silo that runs on this machine with embedded Redis and database, as it describes itself in <c>.actors/embedded.json</c>.
/// </summary>
public sealed record EmbeddedSilo
{
    /// <summary>The file an embedded silo writes: ".actors/embedded.json", in its start directory.</summary>
    public static readonly string FileName = Path.Combine(".actors", "embedded.json");

    /// <summary>The process id of the silo.</summary>
    [JsonPropertyName("pid")] public required int ProcessId { get; init; }

    /// <summary>The connection string of its Redis, e.g. "127.0.0.1:6379".</summary>
    [JsonPropertyName("redis")] public required string Redis { get; init; }

    /// <summary>The path of its SQLite database.</summary>
    [JsonPropertyName("database")] public required string Database { get; init; }

    /// <summary>The file this was read from.</summary>
    [JsonIgnore] public string File { get; init; } = "";

    /// <summary>
    /// Looks for the file in <paramref name="directory"/> and in every directory above it; the nearest one counts. Null if there is
    /// none.
    /// </summary>
    /// <param name="directory">The directory to start in; null for the current directory.</param>
    /// <exception cref="InvalidDataException">The file exists but cannot be read.</exception>
    public static EmbeddedSilo? Find(string? directory = null)
    {
        for (var at = new DirectoryInfo(Path.GetFullPath(directory ?? ".")); at is not null; at = at.Parent)
        {
            var file = Path.Combine(at.FullName, FileName);
            if (System.IO.File.Exists(file))
                return Read(file);
        }
        return null;
    }

    /// <summary>False if the process is known to have ended. True if it runs, or if this is unknown.</summary>
    public bool IsRunning()
    {
        try
        {
            using var process = Process.GetProcessById(ProcessId);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            return true;
        }
    }

    private static EmbeddedSilo Read(string file)
    {
        const string Expected = """{"pid":…,"redis":"host:port","database":"path"}""";
        try
        {
            var silo = JsonSerializer.Deserialize<EmbeddedSilo>(System.IO.File.ReadAllBytes(file));
            return silo is { Redis.Length: > 0, Database.Length: > 0 }
                ? silo with { File = file }
                : throw new InvalidDataException($"{file} lacks redis or database; expected: {Expected}.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file} is not the JSON of an embedded silo; expected: {Expected}.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{file} cannot be read: {e.Message}", e);
        }
    }
}
