using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Actors;

/// <summary>
/// The silo that runs on this machine with Redis and a database inside, as it says of itself in
/// <c>.actors/embedded.json</c>.
/// </summary>
public sealed record EmbeddedSilo
{
    /// <summary>The file an embedded silo writes: ".actors/embedded.json", in the directory it was started in.</summary>
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
    /// Looks for the file in <paramref name="directory"/> and in every one above it; the nearest counts. Null where there
    /// is none.
    /// </summary>
    /// <param name="directory">Where to begin; null is the current directory.</param>
    /// <exception cref="InvalidDataException">There is such a file, but it cannot be read.</exception>
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

    /// <summary>False where the process is known to be gone. True where it runs, or where this cannot be known.</summary>
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
                : throw new InvalidDataException($"{file} names no redis or no database; expected is {Expected}.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file} is not the JSON of an embedded silo; expected is {Expected}.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{file} cannot be read: {e.Message}", e);
        }
    }
}
